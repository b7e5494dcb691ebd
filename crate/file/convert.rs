//! From the bytes of files of weights to those of a GGUF file, tensor by tensor as they come.

use std::collections::VecDeque;

use super::gguf::write::{self, ALIGNMENT};
use super::{Catalog, Metadata, Tensor, quoted};
use crate::bail;
use crate::base::error::Result;
use crate::quant::{self, TensorType};

/// Numbers that are converted at a time, about.
const STEP: usize = 1 << 14;
/// The most numbers of a row, or of the rows of a head that are turned: they are in memory at once.
pub(super) const MOST_UNIT: usize = 1 << 24;

/// Takes the files' bytes, one file after the other, and gives those of one file of GGUF.
pub struct Converter {
    /// What that file holds; offsets are counted from its first byte.
    pub catalog: Catalog,
    /// Its bytes before the first tensor that comes.
    head: Vec<u8>,
    jobs: VecDeque<Job>,
    /// Where each of the files ends, counted from the first byte of the first.
    ends: Vec<u64>,
    /// Bytes that have come, of all files, and which file comes now.
    position: u64,
    file: usize,
    /// Bytes of the tensor that comes that are no whole step.
    pending: Vec<u8>,
    /// Of the tensor that comes, how many have gone into steps.
    done: u64,
}

/// A tensor on its way.
pub(super) struct Job {
    pub name: String,
    /// Its first byte, counted from that of the first file.
    pub offset: u64,
    pub bytes: u64,
    pub from: TensorType,
    pub to: TensorType,
    /// Length of a row; where there are no rows, of a block.
    pub row: usize,
    /// Rows of a head, whose halves are to become pairs.
    pub head: Option<usize>,
    /// What is added to each number.
    pub add: f32,
    /// How much the numbers of each column count; a number for each of a row.
    pub importance: Option<Vec<f32>>,
}

/// What a file is made of.
#[derive(Default)]
pub(super) struct Plan {
    pub tensors: Vec<Tensor>,
    next: u64,
    /// Bytes of tensors that are there already: they lie before all others.
    made: Vec<u8>,
    pub jobs: VecDeque<Job>,
}

impl Plan {
    /// A tensor behind those before it.
    pub fn place(&mut self, name: String, shape: Vec<u64>, kind: TensorType) {
        let elements: u64 = shape.iter().product();
        let bytes = elements / kind.block_len() as u64 * kind.block_bytes() as u64;
        self.tensors.push(Tensor { name, shape, kind, offset: self.next, bytes });
        self.next = (self.next + bytes).next_multiple_of(ALIGNMENT);
    }

    /// A list that is there already.
    pub fn put(&mut self, name: String, values: &[f32]) {
        self.place(name, vec![values.len() as u64], TensorType::F32);
        self.made.extend_from_slice(bytemuck::cast_slice(values));
        self.made.resize(self.made.len().next_multiple_of(ALIGNMENT as usize), 0);
    }

    /// `ends`: where each of the files ends, counted from the first byte of the first.
    pub fn finish(self, metadata: Metadata, ends: Vec<u64>) -> Converter {
        let Plan { tensors, mut made, jobs, .. } = self;
        let mut catalog = Catalog { metadata, tensors, file_bytes: 0 };
        let mut head = write::header(&catalog);
        let before = head.len() as u64;
        catalog.tensors.iter_mut().for_each(|tensor| tensor.offset += before);
        catalog.file_bytes = catalog.tensors.last().map_or(before, |tensor| tensor.offset + tensor.bytes);
        head.append(&mut made);
        Converter { catalog, head, jobs, ends, position: 0, file: 0, pending: Vec::new(), done: 0 }
    }
}

impl Converter {
    /// The first bytes of the file, which no weights have to come for; once.
    pub fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// So many bytes of the file that comes now have come, all of them before its first tensor.
    pub(super) fn pass(&mut self, bytes: u64) {
        self.position += bytes;
    }

    /// Takes the next bytes of the file that comes now; appends what they become. What follows a file's tensors is left out.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let end = self.ends.get(self.file).copied().unwrap_or(self.position);
        let mut bytes = &bytes[..bytes.len().min(usize::try_from(end - self.position).unwrap_or(usize::MAX))];
        while let Some(job) = self.jobs.front() {
            let came = self.done + self.pending.len() as u64;
            let gap = (job.offset + came).saturating_sub(self.position).min(bytes.len() as u64);
            self.position += gap;
            bytes = &bytes[gap as usize..];
            if bytes.is_empty() {
                return;
            }
            // What is left may be more than an address holds in wasm.
            let wanted = (job.step() as u64).min(job.bytes - self.done) as usize;
            let (mine, rest) = bytes.split_at(bytes.len().min(wanted - self.pending.len()));
            self.position += mine.len() as u64;
            self.pending.extend_from_slice(mine);
            bytes = rest;
            if self.pending.len() < wanted {
                continue;
            }
            job.convert(&self.pending, out);
            self.done += wanted as u64;
            self.pending.clear();
            if self.done == job.bytes {
                let numbers = job.bytes / job.from.block_bytes() as u64 * job.from.block_len() as u64;
                let written = numbers as usize / job.to.block_len() * job.to.block_bytes();
                // A whole number of the alignment lies behind the tensors before.
                out.resize(out.len() + written.next_multiple_of(ALIGNMENT as usize) - written, 0);
                self.jobs.pop_front();
                self.done = 0;
            }
        }
        self.position += bytes.len() as u64;
    }

    /// The bytes of the next file follow, or none any more. `Truncated` where the one before was not whole.
    pub fn next_file(&mut self) -> Result<()> {
        let end = self.ends.get(self.file).copied().unwrap_or(self.position);
        if self.position < end {
            let inside = self.jobs.front().map_or_else(|| "its last tensor".into(), |job| quoted(&job.name));
            bail!(
                Truncated,
                "File {} of the weights ends {} bytes too early, inside {inside}; download it again",
                self.file + 1,
                end - self.position
            );
        }
        self.file += 1;
        Ok(())
    }
}

impl Job {
    /// Bytes that are converted at once: whole rows, whole heads, whole blocks.
    fn step(&self) -> usize {
        let unit = self.row * self.head.unwrap_or(1);
        unit * (STEP / unit).max(1) / self.from.block_len() * self.from.block_bytes()
    }

    fn convert(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.from == self.to && self.head.is_none() && self.add == 0.0 {
            return out.extend_from_slice(bytes);
        }
        let mut numbers = vec![0.0; bytes.len() / self.from.block_bytes() * self.from.block_len()];
        quant::dequantize(self.from, bytes, &mut numbers);
        if self.add != 0.0 {
            numbers.iter_mut().for_each(|number| *number += self.add);
        }
        if let Some(head) = self.head {
            numbers = paired(&numbers, self.row, head);
        }
        match &self.importance {
            Some(importance) => quant::quantize_by(self.to, &numbers, importance, out),
            None => quant::quantize(self.to, &numbers, out),
        }
    }
}

/// Rows of heads that have the first numbers of all pairs first, so that pairs lie side by side.
fn paired(numbers: &[f32], row: usize, head: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(numbers.len());
    for head in numbers.chunks_exact(row * head) {
        let (first, second) = head.split_at(head.len() / 2);
        for (one, other) in first.chunks_exact(row).zip(second.chunks_exact(row)) {
            out.extend_from_slice(one);
            out.extend_from_slice(other);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_become_pairs() {
        let numbers: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let rows = paired(&numbers, 2, 4);
        assert_eq!(rows[..8], [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
        assert_eq!(rows[8..10], [8.0, 9.0]);
        assert_eq!(paired(&numbers[..4], 1, 4), [0.0, 2.0, 1.0, 3.0]);
    }
}
