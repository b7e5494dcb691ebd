//! From the bytes of a repository's files to those of a GGUF file, tensor by tensor as they come.

use std::collections::{HashSet, VecDeque};

use super::classes::Class;
use super::config::Config;
use super::factors::Factors;
use super::head::{Entry, Head};
use crate::bail;
use crate::base::error::Result;
use crate::file::gguf::write::{self, ALIGNMENT};
use crate::file::names::{Found, Names};
use crate::file::{Catalog, Metadata, Tensor, quoted};
use crate::quant::{self, TensorType};

/// Numbers that are converted at a time, about.
const STEP: usize = 1 << 14;
/// The most numbers of a row, or of the rows of a head that are turned: they are in memory at once.
const MOST_UNIT: usize = 1 << 24;

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
struct Job {
    name: String,
    /// Its first byte, counted from that of the first file.
    offset: u64,
    bytes: u64,
    from: TensorType,
    to: TensorType,
    /// Length of a row, 1 where there are no rows.
    row: usize,
    /// Rows of a head, whose halves are to become pairs.
    head: Option<usize>,
    /// What is added to each number.
    add: f32,
}

impl Converter {
    /// Errors: those of [`Repository::convert`](super::Repository::convert).
    pub(super) fn new(
        config: &Config,
        metadata: Metadata,
        factors: Vec<Factors>,
        heads: Vec<Head>,
        quantize: TensorType,
    ) -> Result<Converter> {
        let class = config.class;
        let names = names(class)?;
        let mut tensors = Vec::new();
        let mut next = 0;
        let mut place = |name: String, shape: Vec<u64>, kind: TensorType| {
            let elements: u64 = shape.iter().product();
            let bytes = elements / kind.block_len() as u64 * kind.block_bytes() as u64;
            tensors.push(Tensor { name, shape, kind, offset: next, bytes });
            next = (next + bytes).next_multiple_of(ALIGNMENT);
        };
        let mut made = Vec::new();
        for Factors { name, values } in factors {
            place(name.into(), vec![values.len() as u64], TensorType::F32);
            made.extend_from_slice(bytemuck::cast_slice(&values));
            made.resize(made.len().next_multiple_of(ALIGNMENT as usize), 0);
        }
        let (mut jobs, mut ends, mut start) = (VecDeque::new(), Vec::new(), 0);
        let mut taken = HashSet::new();
        for head in heads {
            for entry in head.entries {
                if class.leaves(&entry.name) {
                    continue;
                }
                let (name, halves, one_less) = match names.tensor(&entry.name) {
                    Found::Taken { name, .. } if name == "output.weight" && config.is_tied() => continue,
                    Found::Taken { name, halves, one_less } => (name, halves, one_less),
                    Found::Unused => continue,
                    Found::Unknown => bail!(
                        MissingTensor,
                        "The repository has a tensor {}, which a {} model is not known to have; take a GGUF file of the model",
                        quoted(&entry.name),
                        class.name
                    ),
                };
                if !taken.insert(name.clone()) {
                    // What fills in masked words has its bias under two names.
                    if name == "output.bias" {
                        continue;
                    }
                    bail!(BadHeader, "The repository has two tensors for {}; take another of the model", quoted(&name));
                }
                let from = float(&entry)?;
                let shape = upright(&entry)?;
                let to = target(&name, &shape, quantize);
                let head = if halves { Some(config.head_dim()? as usize) } else { None };
                let row = if shape.len() > 1 { shape[0] } else { 1 };
                let Some(row) = usize::try_from(row).ok().filter(|row| *row <= MOST_UNIT / head.unwrap_or(1)) else {
                    bail!(
                        BadShape,
                        "The tensor {} has rows of {row}, which are longer than any model's; take another repository",
                        quoted(&entry.name)
                    );
                };
                let elements = entry.bytes / from.block_bytes() as u64;
                if head.is_some_and(|head| !elements.is_multiple_of((head * row) as u64)) {
                    bail!(
                        BadShape,
                        "The tensor {} has no whole heads; take another repository of the model",
                        quoted(&entry.name)
                    );
                }
                let add = if one_less { 1.0 } else { 0.0 };
                place(name.clone(), shape, to);
                jobs.push_back(Job {
                    name: entry.name,
                    offset: start + entry.offset,
                    bytes: entry.bytes,
                    from,
                    to,
                    row,
                    head,
                    add,
                });
            }
            start += head.file_bytes;
            ends.push(start);
        }
        let mut catalog = Catalog { metadata, tensors, file_bytes: 0 };
        let mut head = write::header(&catalog);
        let before = head.len() as u64;
        catalog.tensors.iter_mut().for_each(|tensor| tensor.offset += before);
        catalog.file_bytes = catalog.tensors.last().map_or(before, |tensor| tensor.offset + tensor.bytes);
        head.append(&mut made);
        Ok(Converter { catalog, head, jobs, ends, position: 0, file: 0, pending: Vec::new(), done: 0 })
    }

    /// The first bytes of the file, which no weights have to come for; once.
    pub fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
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
                let written = job.bytes as usize / job.from.block_bytes() / job.to.block_len() * job.to.block_bytes();
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
                "File {} of the repository's weights ends {} bytes too early, inside {inside}; download it again",
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
        unit * (STEP / unit).max(1) * self.from.block_bytes()
    }

    fn convert(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.from == self.to && self.head.is_none() && self.add == 0.0 {
            return out.extend_from_slice(bytes);
        }
        let mut numbers = vec![0.0; bytes.len() / self.from.block_bytes()];
        quant::dequantize(self.from, bytes, &mut numbers);
        if self.add != 0.0 {
            numbers.iter_mut().for_each(|number| *number += self.add);
        }
        if let Some(head) = self.head {
            numbers = paired(&numbers, self.row, head);
        }
        quant::quantize(self.to, &numbers, out);
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

fn names(class: &Class) -> Result<&'static Names> {
    match Names::of(class.arch) {
        Some(names) => Ok(names),
        None => bail!(Internal, "There are no names of tensors for {}", class.arch),
    }
}

/// The embedding's entry.
pub(super) fn embedding<'a>(class: &Class, heads: &'a [Head]) -> Option<&'a Entry> {
    let names = Names::of(class.arch)?;
    let is =
        |entry: &&Entry| matches!(names.tensor(&entry.name), Found::Taken { name, .. } if name == "token_embd.weight");
    heads.iter().flat_map(|head| &head.entries).find(is)
}

fn float(entry: &Entry) -> Result<TensorType> {
    match entry.float() {
        Some(kind) => Ok(kind),
        None => bail!(
            UnsupportedTensorType,
            "The repository's tensor {} has the type {}; F32, F16 and BF16 are read: take the repository of the floats, or a GGUF file",
            quoted(&entry.name),
            quoted(&entry.dtype)
        ),
    }
}

/// A shape with the length of a row first.
fn upright(entry: &Entry) -> Result<Vec<u64>> {
    let shape: Vec<u64> = entry.shape.iter().rev().copied().collect();
    if !matches!(shape.len(), 1 | 2) || shape.contains(&0) {
        bail!(
            BadShape,
            "The repository's tensor {} has the shape {:?}, not that of a matrix or a list; take another of the model",
            quoted(&entry.name),
            entry.shape
        );
    }
    Ok(shape)
}

/// Tables of which a token reads a row each, and which are small.
const EXACT: [&str; 2] = ["position_embd.weight", "token_types.weight"];
/// What a coarse type costs most.
const ENDS: [&str; 2] = ["token_embd.weight", "output.weight"];

/// The type that a tensor is written in: lists stay whole, and rows that are no blocks become halves.
fn target(name: &str, shape: &[u64], quantize: TensorType) -> TensorType {
    let [row, _] = shape[..] else { return TensorType::F32 };
    if EXACT.contains(&name) {
        return TensorType::F32;
    }
    let coarse = quantize.is_quantized() && ENDS.contains(&name);
    let kind = if coarse { TensorType::Q8_0 } else { quantize };
    if row.is_multiple_of(kind.block_len() as u64) { kind } else { TensorType::F16 }
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

    #[test]
    fn types_go_by_what_tensors_are() {
        let of = |name, shape: &[u64], kind| target(name, shape, kind);
        assert_eq!(of("blk.0.attn_q.weight", &[64, 64], TensorType::Q4_0), TensorType::Q4_0);
        assert_eq!(of("blk.0.attn_q.weight", &[70, 64], TensorType::Q4_0), TensorType::F16);
        assert_eq!(of("token_embd.weight", &[64, 64], TensorType::Q4_0), TensorType::Q8_0);
        assert_eq!(of("token_embd.weight", &[64, 64], TensorType::F32), TensorType::F32);
        assert_eq!(of("blk.0.attn_norm.weight", &[64], TensorType::Q4_0), TensorType::F32);
        assert_eq!(of("position_embd.weight", &[64, 64], TensorType::Q4_0), TensorType::F32);
    }
}
