//! From the bytes of files of weights to those of a GGUF file, tensor by tensor as they come.

use std::collections::VecDeque;

use super::gguf::write::{self, ALIGNMENT};
use super::packed::{Packed, Side};
use super::{Catalog, Metadata, Tensor, quoted};
use crate::bail;
use crate::base::error::Result;
use crate::quant::{self, TensorType};

/// Numbers that are converted at a time, about.
const STEP: usize = 1 << 14;
/// The most numbers of a row, or of the rows of a head that are turned: they are in memory at once.
pub(super) const MOST_UNIT: usize = 1 << 24;

/// So little between what is wanted of a file is read with it.
const NEAR: u64 = 1 << 16;

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
    /// What is wanted of the file that comes now before its bytes: where the next of it begins, and where it ends.
    early: VecDeque<(u64, u64)>,
}

/// Bytes of a file that are wanted before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which of the files.
    pub file: usize,
    /// Its first byte there.
    pub first: u64,
    /// How many there are.
    pub count: u64,
}

/// A tensor on its way.
pub(super) struct Job {
    pub name: String,
    /// Its first byte, counted from that of the first file.
    pub offset: u64,
    pub bytes: u64,
    pub from: From,
    pub to: TensorType,
    /// Length of a row; where there are no rows, of a block.
    pub row: usize,
    /// Rows of a head, whose halves are to become pairs.
    pub head: Option<usize>,
    /// What is added to each number.
    pub add: f32,
    /// Whether codes stay what they are: blocks of the type hold them.
    pub as_held: bool,
    /// How much the numbers of each column count; a number for each of a row.
    pub importance: Option<Vec<f32>>,
}

/// What a tensor's bytes are.
pub(super) enum From {
    /// Numbers of a type, one behind the other.
    Type(TensorType),
    /// Codes, whose scales are elsewhere.
    Packed(Box<Packed>),
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
        Converter {
            catalog,
            head,
            jobs,
            ends,
            position: 0,
            file: 0,
            pending: Vec::new(),
            done: 0,
            early: VecDeque::new(),
        }
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

    /// What is wanted of the files before the one that comes now: of that first, with what little lies between.
    pub fn early(&mut self) -> Vec<Span> {
        let start = self.file.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(self.file).copied().unwrap_or(start);
        let needed = |job: &&Job| (start..end).contains(&job.offset);
        let sides = self.jobs.iter().filter(needed).flat_map(Job::sides).filter(|side| !side.is_whole());
        let mut spans: Vec<(u64, u64)> = sides.map(|side| (side.offset, side.offset + side.bytes)).collect();
        spans.sort_unstable();
        spans.dedup_by(|next, before| {
            let is_near = next.0 <= before.1 + NEAR && self.file_of(next.0) == self.file_of(before.0);
            if is_near {
                before.1 = before.1.max(next.1);
            }
            is_near
        });
        let span = |&(first, end): &(u64, u64)| {
            let file = self.file_of(first);
            let start = file.checked_sub(1).map_or(0, |before| self.ends[before]);
            Span { file, first: first - start, count: end - first }
        };
        let named = spans.iter().map(span).collect();
        self.early = spans.into();
        named
    }

    fn file_of(&self, offset: u64) -> usize {
        self.ends.partition_point(|end| *end <= offset)
    }

    /// Takes the next bytes of these, one behind the other.
    pub fn push_early(&mut self, mut bytes: &[u8]) {
        while let Some((at, end)) = self.early.front_mut().filter(|_| !bytes.is_empty()) {
            let (mine, rest) = bytes.split_at(bytes.len().min(usize::try_from(*end - *at).unwrap_or(usize::MAX)));
            self.jobs.iter_mut().flat_map(Job::sides_mut).for_each(|side| side.take(*at, mine));
            *at += mine.len() as u64;
            if at == end {
                self.early.pop_front();
            }
            bytes = rest;
        }
    }

    /// All of these have come. Errors: `Truncated`, `BadHeader` where they do not say what they are for.
    pub fn end_early(&mut self) -> Result<()> {
        if !self.early.is_empty() {
            bail!(Truncated, "File {} of the weights ends before its scales do; download it again", self.file + 1);
        }
        let packed = self.jobs.iter().filter_map(|job| Some((job, job.from.packed()?)));
        for (job, packed) in packed.filter(|(_, packed)| packed.sides().all(Side::is_whole)) {
            if !packed.is_sound() {
                bail!(
                    BadHeader,
                    "The tensor {} has zeros or groups that are not those its config.json promises; take another repository of the model",
                    quoted(&job.name)
                );
            }
        }
        Ok(())
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
            job.convert(&self.pending, self.done, out);
            self.done += wanted as u64;
            self.pending.clear();
            if self.done == job.bytes {
                let written = job.numbers() as usize / job.to.block_len() * job.to.block_bytes();
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

impl From {
    /// The type whose blocks hold the codes, where these are some.
    pub fn held(&self) -> Option<TensorType> {
        self.packed().and_then(Packed::held)
    }

    fn packed(&self) -> Option<&Packed> {
        if let From::Packed(packed) = self { Some(packed) } else { None }
    }
}

impl Job {
    fn sides(&self) -> impl Iterator<Item = &Side> {
        self.from.packed().into_iter().flat_map(Packed::sides)
    }

    fn sides_mut(&mut self) -> impl Iterator<Item = &mut Side> {
        let packed = if let From::Packed(packed) = &mut self.from { Some(packed) } else { None };
        packed.into_iter().flat_map(|packed| packed.sides_mut())
    }

    fn numbers(&self) -> u64 {
        match &self.from {
            From::Type(kind) => self.bytes / kind.block_bytes() as u64 * kind.block_len() as u64,
            From::Packed(packed) => packed.rows as u64 * packed.columns as u64,
        }
    }

    /// Bytes that are converted at once: whole rows, whole heads, whole blocks.
    fn step(&self) -> usize {
        let unit = self.row * self.head.unwrap_or(1);
        match &self.from {
            From::Type(kind) => unit * (STEP / unit).max(1) / kind.block_len() * kind.block_bytes(),
            From::Packed(packed) => match packed.unit() {
                (1, bytes) => bytes * self.head.unwrap_or(1) * (STEP / unit).max(1),
                (_, bytes) => bytes,
            },
        }
    }

    /// `done`: how many bytes of the tensor came before these.
    fn convert(&self, bytes: &[u8], done: u64, out: &mut Vec<u8>) {
        match &self.from {
            From::Type(kind) if *kind == self.to && self.head.is_none() && self.add == 0.0 => {
                out.extend_from_slice(bytes);
            }
            From::Type(kind) => {
                let mut numbers = vec![0.0; bytes.len() / kind.block_bytes() * kind.block_len()];
                quant::dequantize(*kind, bytes, &mut numbers);
                if self.add != 0.0 {
                    numbers.iter_mut().for_each(|number| *number += self.add);
                }
                if let Some(head) = self.head {
                    numbers = paired(&numbers, self.row, head);
                }
                self.write(&numbers, out);
            }
            From::Packed(packed) => self.unpack(packed, bytes, done, out),
        }
    }

    /// Row by row, those of a head by pairs.
    fn unpack(&self, packed: &Packed, bytes: &[u8], done: u64, out: &mut Vec<u8>) {
        let (rows, unit) = packed.unit();
        let first = (done / unit as u64) as usize * rows;
        let count = bytes.len() / unit * rows;
        let mut numbers = Vec::new();
        for row in 0..count {
            let row = self.head.map_or(row, |head| row / head * head + row % head / 2 + row % 2 * (head / 2));
            if self.as_held {
                packed.blocks(self.to, bytes, row, first + row, out);
                continue;
            }
            packed.floats(bytes, row, first + row, &mut numbers);
            self.write(&numbers, out);
            numbers.clear();
        }
    }

    fn write(&self, numbers: &[f32], out: &mut Vec<u8>) {
        match &self.importance {
            Some(importance) => quant::quantize_by(self.to, numbers, importance, out),
            None => quant::quantize(self.to, numbers, out),
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
