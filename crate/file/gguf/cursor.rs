//! Little-endian reads from the bytes at hand.

use crate::bail;
use crate::base::error::Result;

/// No real header comes near; the largest vocabularies take about 20 MiB.
pub(super) const MAX_HEADER_BYTES: u64 = 256 << 20;

/// A little-endian number of one to eight bytes, signed for the odd tags and 11.
pub(super) fn integer(tag: u32, bytes: &[u8]) -> i128 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    let spare = 64 - 8 * bytes.len() as u32;
    match tag {
        1 | 3 | 5 | 11 => (((unsigned << spare) as i64) >> spare) as i128,
        _ => unsigned as i128,
    }
}

pub(super) fn float(tag: u32, bytes: &[u8]) -> f64 {
    let bits = integer(tag, bytes) as u64;
    match tag {
        6 => f32::from_bits(bits as u32) as f64,
        _ => f64::from_bits(bits),
    }
}

/// A place in the bytes at hand. Reads that find too few bytes return `None`.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    /// File offset of `bytes[0]`.
    pub start: u64,
}

impl<'a> Cursor<'a> {
    pub fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Bytes that the header may still have.
    pub fn room(&self) -> u64 {
        MAX_HEADER_BYTES.saturating_sub(self.offset())
    }

    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..count)?;
        self.at += count;
        Some(taken)
    }

    /// A cursor over exactly the next `count` bytes, its `at` counted from here.
    pub fn peek(&self, count: usize) -> Option<Cursor<'a>> {
        let bytes = self.rest().get(..count)?;
        Some(Cursor { bytes, at: 0, start: self.offset() })
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// A length and that many bytes. An absurd length is an error as soon as it is read.
    pub fn string(&mut self, longest: u64) -> Result<Option<&'a [u8]>> {
        let Some(length) = self.u64() else {
            return Ok(None);
        };
        if length > longest || length > self.room() {
            bail!(
                BadHeader,
                "The header has a text of {length} bytes, before byte {}, which is absurd; the file is damaged",
                self.offset()
            );
        }
        Ok(self.take(length as usize))
    }
}
