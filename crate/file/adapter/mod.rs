//! LoRA adapters (Hu et al. 2021): for some matrices W of a model two small ones, A and B, so that W becomes W + scale · B A.
//!
//! Two formats are read: llama.cpp's GGUF adapters, and PEFT's `adapter_model.safetensors` with its `adapter_config.json`.
//! [`AdapterParser`] takes a file's first bytes in pieces of any size and hands out an [`Adapter`], which names the matrices
//! as GGUF does; nothing here reads a tensor's numbers.

mod gguf;
mod peft;

use super::quoted;
use crate::bail;
use crate::base::error::{Error, Result};
use crate::file::gguf::HeaderParser;
use crate::quant::TensorType;

pub use peft::Config;

/// Rows of A, at most: more is no small matrix.
pub const MOST_RANK: u64 = 4096;

/// What an adapter's file says before its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    /// The architecture that it was made for, where the file says it.
    pub architecture: Option<String>,
    /// The model that it was made for, where the file says it.
    pub base: Option<String>,
    /// One for each matrix that it changes, none twice.
    pub pairs: Vec<Pair>,
    /// The end of its last tensor.
    pub file_bytes: u64,
}

/// Two small matrices beside a large one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The large matrix, as GGUF names it: `blk.0.attn_q.weight`.
    pub target: String,
    /// Rows of A, columns of B.
    pub rank: u32,
    /// B A is multiplied by this.
    pub scale: f32,
    /// A: [rank][length of a row of the large one].
    pub a: Half,
    /// B: [rows of the large one][rank].
    pub b: Half,
    /// B's rows are those of rotated heads as Hugging Face has them: first the halves of all pairs, then the others. GGUF's
    /// files of such models have the two of a pair side by side.
    pub halves: bool,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// As the file names it.
    pub name: String,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// Its first byte in the file, and how many there are.
    pub offset: u64,
    /// How many bytes there are.
    pub bytes: u64,
    /// Rows, and their length.
    pub shape: [u64; 2],
    /// The file has its columns as rows.
    pub transposed: bool,
}

impl Half {
    /// Its shape once its columns are columns.
    pub fn upright(&self) -> [u64; 2] {
        let [rows, length] = self.shape;
        if self.transposed { [length, rows] } else { [rows, length] }
    }
}

/// Both halves of a matrix, of which one may not have come yet.
type Halves = [Option<Half>; 2];

/// The pair of two halves. `BadAdapter` where one is missing, or they do not fit each other.
fn pair(target: String, halves: Halves, halves_of_heads: bool, scale: impl Fn(u64) -> f32) -> Result<Pair> {
    let [Some(a), Some(b)] = halves else {
        bail!(BadAdapter, "The adapter has only one of the two matrices of {}; convert it again", quoted(&target));
    };
    let ([rank, _], [_, columns]) = (a.upright(), b.upright());
    if rank != columns || rank == 0 || rank > MOST_RANK {
        bail!(
            BadAdapter,
            "The matrices of {} have the ranks {rank} and {columns}; an adapter has the same in both, from 1 to {MOST_RANK}",
            quoted(&target)
        );
    }
    Ok(Pair { target, rank: rank as u32, scale: scale(rank), a, b, halves: halves_of_heads })
}

/// Whether a tensor is the embedding, whose A is looked up by token instead of multiplied.
pub fn is_embedding(target: &str) -> bool {
    target == "token_embd.weight"
}

/// Reads what stands before an adapter's numbers, from bytes that arrive in order.
pub struct AdapterParser {
    arch: String,
    config: Option<Config>,
    format: Format,
}

enum Format {
    /// The first bytes have not come.
    Unknown(Vec<u8>),
    Gguf(Box<HeaderParser>),
    Safetensors(peft::Parser),
}

const MAGIC: usize = 4;

impl AdapterParser {
    /// For a model of this architecture (`general.architecture`). `config`: the text of `adapter_config.json`, without which a
    /// safetensors file is not read. `BadAdapter` where that is none, or asks for what is not supported.
    pub fn new(arch: &str, config: Option<&str>) -> Result<Self> {
        let config = config.map(Config::read).transpose()?;
        Ok(AdapterParser { arch: arch.to_string(), config, format: Format::Unknown(Vec::new()) })
    }

    /// Takes the next bytes of the file; gives what it says once that is there, and how many of all bytes came before the
    /// first tensor. The parser is spent then, and after an error.
    ///
    /// Errors: `BadAdapter`, and those of [`HeaderParser::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Adapter>> {
        match &mut self.format {
            Format::Unknown(first) => {
                first.extend_from_slice(bytes);
                if first.len() < MAGIC {
                    return Ok(None);
                }
                let first = std::mem::take(first);
                self.format = match (first.starts_with(b"GGUF"), self.config.take()) {
                    (true, _) => Format::Gguf(Box::default()),
                    (false, Some(config)) => Format::Safetensors(peft::Parser::new(config)),
                    (false, None) => bail!(
                        BadAdapter,
                        "The file is no GGUF adapter; of a PEFT adapter give adapter_config.json with its adapter_model.safetensors"
                    ),
                };
                self.push(&first)
            }
            Format::Gguf(parser) => parser.push(bytes)?.map(|(header, _)| gguf::read(header.catalog)).transpose(),
            Format::Safetensors(parser) => parser.push(bytes, &self.arch),
        }
    }

    /// The error to report where the file ends before that.
    pub fn finish(&self) -> Error {
        match &self.format {
            Format::Gguf(parser) => parser.finish(),
            _ => Error::new(
                crate::base::error::Code::Truncated,
                "The adapter's file ends inside its header; download it again",
            ),
        }
    }
}
