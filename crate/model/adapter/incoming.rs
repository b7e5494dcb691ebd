//! An adapter on its way: its tensors' bytes arrive in order, in pieces of any size, and go into new pools. The model
//! computes by the old ones until all of it is there.

use super::check::{first_head, patches};
use super::{AdapterId, Adapters, Patch, Pool};
use crate::bail;
use crate::base::error::Result;
use crate::device::memory::Exchange;
use crate::file::adapter::{Adapter, Half, Pair};
use crate::file::quoted;
use crate::model::blocks::Network;
use crate::model::spec::Net;
use crate::quant;

/// An adapter whose numbers are to come.
pub struct Incoming {
    next: Adapters,
    /// Halves that are to come, the next last.
    left: Vec<Awaited>,
    /// Bytes of the next one so far, and the file's before them.
    pending: Vec<u8>,
    position: u64,
    file_bytes: u64,
}

/// A half on its way.
struct Awaited {
    half: Half,
    patch: Patch,
    /// Its first byte in its pool.
    start: u64,
    /// What it is multiplied by: 1 for A.
    scale: f32,
    is_b: bool,
    /// Length of a head whose halves are to become pairs.
    head: Option<u32>,
}

impl Incoming {
    /// Checks that the adapter fits, and lays pools for it beside what is loaded. `BadAdapter` names what does not fit;
    /// else as `memory` fails.
    pub(in crate::model) fn new(
        adapter: &Adapter,
        (net, network): (&Net, &Network),
        loaded: &Adapters,
        rows: u32,
        memory: &mut dyn Exchange,
    ) -> Result<Self> {
        let patches = patches(adapter, net, network)?;
        let next = loaded.with(patches.clone(), rows, memory)?;
        let starts = next.loaded.last().map(|one| next.starts(one.id)).unwrap_or_default();
        let mut left = Vec::with_capacity(2 * patches.len());
        for ((pair, patch), [a, b]) in adapter.pairs.iter().zip(patches).zip(starts) {
            let Pair { scale, halves, .. } = *pair;
            let head = halves.then(|| first_head(pair, net)).flatten();
            let (half, patch) = (pair.a.clone(), patch.clone());
            left.push(Awaited { half, patch: patch.clone(), start: a, scale: 1.0, is_b: false, head: None });
            left.push(Awaited { half: pair.b.clone(), patch, start: b, scale, is_b: true, head });
        }
        left.sort_by_key(|awaited| std::cmp::Reverse(awaited.half.offset));
        Ok(Incoming { next, left, pending: Vec::new(), position: 0, file_bytes: adapter.file_bytes })
    }

    /// The adapters that there will be.
    pub(in crate::model) fn adapters(&self) -> &Adapters {
        &self.next
    }

    /// Takes the next bytes of the file, from its first on.
    pub fn push(&mut self, mut bytes: &[u8], memory: &mut dyn Exchange) {
        while let Some(awaited) = self.left.last() {
            let (offset, total) = (awaited.half.offset, awaited.half.bytes);
            let gap = (offset + self.pending.len() as u64).saturating_sub(self.position).min(bytes.len() as u64);
            self.position += gap;
            bytes = &bytes[gap as usize..];
            let take = (total - self.pending.len() as u64).min(bytes.len() as u64) as usize;
            let (mine, rest) = bytes.split_at(take);
            self.pending.extend_from_slice(mine);
            self.position += take as u64;
            bytes = rest;
            if (self.pending.len() as u64) < total {
                return;
            }
            let whole = std::mem::take(&mut self.pending);
            let pool = self.next.pools.get(&awaited.patch.spot).cloned();
            if let (Some(pool), Some(awaited)) = (pool, self.left.pop()) {
                awaited.write(&whole, &pool, memory);
            }
        }
    }

    /// What it is called. `Truncated` unless everything has arrived.
    pub(in crate::model) fn check(&self) -> Result<AdapterId> {
        match (self.left.last(), self.next.loaded.last()) {
            (None, Some(adapter)) => Ok(adapter.id),
            (None, None) => bail!(Internal, "An adapter has come that was not awaited."),
            (Some(awaited), _) => bail!(
                Truncated,
                "The adapter's file ends before its tensor {}, of {} bytes that its header promises; download it again.",
                quoted(&awaited.half.name),
                self.file_bytes
            ),
        }
    }

    /// The adapters that there are from here on.
    pub(in crate::model) fn next(self) -> Adapters {
        self.next
    }

    /// Gives back what was laid for it.
    pub fn give_up(mut self, memory: &mut dyn Exchange) {
        self.next.free(memory);
    }
}

impl Awaited {
    fn write(&self, bytes: &[u8], pool: &Pool, memory: &mut dyn Exchange) {
        let Awaited { half, patch, .. } = self;
        let mut numbers = vec![0.0f32; (half.shape[0] * half.shape[1]) as usize];
        quant::dequantize(half.kind, bytes, &mut numbers);
        let rank = patch.rank as usize;
        let (from, piece, room, buffer) = match self.is_b {
            // Columns of B become rows.
            true => (transposed(&numbers, half.shape), patch.piece, patch.columns as usize, pool.b),
            false if half.transposed => (transposed(&numbers, half.shape), patch.row, patch.row.room as usize, pool.a),
            false => (numbers, patch.row, patch.row.room as usize, pool.a),
        };
        let length = from.len() / rank;
        let mut to = vec![0.0f32; rank * room];
        for (from, to) in from.chunks_exact(length).zip(to.chunks_exact_mut(room)) {
            for (i, x) in from.iter().enumerate() {
                let at = paired(i, self.head);
                to[at / piece.length as usize * piece.room as usize + at % piece.length as usize] = x * self.scale;
            }
        }
        memory.write(buffer, self.start, bytemuck::cast_slice(&to));
    }
}

/// Where a row goes whose head has the first numbers of all pairs first, so that pairs lie side by side.
fn paired(i: usize, head: Option<u32>) -> usize {
    let Some(head) = head.map(|head| head as usize) else { return i };
    let (begin, within) = (i / head * head, i % head);
    begin + 2 * (within % (head / 2)) + within / (head / 2)
}

/// Of [rows][length].
fn transposed(numbers: &[f32], [rows, length]: [u64; 2]) -> Vec<f32> {
    let (rows, length) = (rows as usize, length as usize);
    (0..length).flat_map(|column| (0..rows).map(move |row| numbers[row * length + column])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_become_pairs() {
        let to: Vec<usize> = (0..8).map(|i| paired(i, Some(4))).collect();
        assert_eq!(to, [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(paired(5, None), 5);
    }

    #[test]
    fn columns_become_rows() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
