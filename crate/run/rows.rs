//! Layers' own embeddings that stay in the model's file: gigabytes, of which a token needs a row. It is read as the
//! token comes, before the pass that computes it.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use crate::bail;
use crate::base::error::Result;
use crate::device::Device;
use crate::device::memory::Memory;
use crate::model::forward::Model;
use crate::quant;

/// Reads bytes of the model's files again.
#[derive(Clone)]
pub struct Reread {
    read: Rc<ReadBytes>,
    /// Where each file begins among the bytes of all.
    begins: Vec<u64>,
}

/// Bytes of one of the model's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Which file, counted from 0.
    pub file: usize,
    /// The first of them in it.
    pub first: u64,
    /// How many.
    pub count: u64,
}

type ReadBytes = dyn Fn(Vec<Span>) -> Pin<Box<dyn Future<Output = Result<Vec<u8>>>>>;

impl Reread {
    /// By what reads such bytes, and gives them one behind the other.
    pub fn new(read: impl Fn(Vec<Span>) -> Pin<Box<dyn Future<Output = Result<Vec<u8>>>>> + 'static) -> Self {
        Reread { read: Rc::new(read), begins: vec![0] }
    }

    /// Of files of so many bytes.
    pub fn of(mut self, files: &[u64]) -> Self {
        self.begins = (0..files.len()).map(|file| files[..file].iter().sum()).collect();
        self
    }

    /// These ranges' bytes, all of them, each (first byte of all files behind each other, count) and of one file. `Io` and the
    /// like where the file cannot be read any more, `Truncated` where it has become shorter.
    pub async fn read(&self, ranges: Vec<(u64, u64)>) -> Result<Vec<u8>> {
        let count: u64 = ranges.iter().map(|(_, count)| count).sum();
        let span = |(first, count): (u64, u64)| {
            let file = self.begins.partition_point(|&begin| begin <= first).saturating_sub(1);
            Span { file, first: first - self.begins[file], count }
        };
        let bytes = (self.read)(ranges.into_iter().map(span).collect()).await?;
        if bytes.len() as u64 != count {
            bail!(Truncated, "The model's file has become shorter since it was loaded; load it again.");
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// Bytes of rows that are kept: the same tokens come again and again.
const KEPT: usize = 4 << 20;

/// The rows of a model's file, and those that were read last.
pub struct Rows {
    reread: Reread,
    kept: HashMap<u32, Vec<u8>>,
    /// Bytes that were read from the file so far.
    pub bytes_read: u64,
}

impl Rows {
    /// None was read yet.
    pub fn new(reread: Reread) -> Self {
        Rows { reread, kept: HashMap::new(), bytes_read: 0 }
    }

    /// Brings the rows of these tokens, of a batch's rows in their order, to the device. `Io` and the like where the
    /// file cannot be read any more, `Truncated` where it has become shorter.
    pub async fn bring(&mut self, tokens: &[u32], model: &Model, device: &mut Device) -> Result<()> {
        let Some(table) = model.file_rows() else { return Ok(()) };
        let each = u64::from(table.length) / table.kind.block_len() as u64 * table.kind.block_bytes() as u64;
        let mut wanted: Vec<u32> = tokens.iter().copied().filter(|token| !self.kept.contains_key(token)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            if (self.kept.len() + wanted.len()) * each as usize > KEPT {
                self.kept.retain(|token, _| tokens.contains(token));
            }
            let ranges = wanted.iter().map(|&token| (table.offset + u64::from(token) * each, each)).collect();
            let bytes = self.reread.read(ranges).await?;
            self.bytes_read += bytes.len() as u64;
            self.kept.extend(wanted.into_iter().zip(bytes.chunks_exact(each as usize).map(<[u8]>::to_vec)));
        }
        let length = table.length as usize;
        let mut floats = vec![0.0; length * tokens.len()];
        for (token, row) in tokens.iter().zip(floats.chunks_exact_mut(length)) {
            if let Some(bytes) = self.kept.get(token) {
                quant::dequantize(table.kind, bytes, row);
            }
            row.iter_mut().for_each(|v| *v *= table.scale);
        }
        device.write(table.buffer, 0, bytemuck::cast_slice(&floats));
        Ok(())
    }
}
