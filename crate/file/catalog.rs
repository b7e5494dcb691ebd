//! What a model's files hold: metadata, and tensors with their places.
//!
//! Everything above reads this and nothing of a file format. Keys and tensors have GGUF's names here
//! (`llama.block_count`, `blk.0.attn_q.weight`): a reader of another format says the same in these names.

use super::Metadata;
use crate::quant::TensorType;

/// One tensor, and where its bytes are.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// As the file names it.
    pub name: String,
    /// One to four dimensions: `shape[0]` is contiguous (the length of a row).
    pub shape: Vec<u64>,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// How many it takes in the file.
    pub bytes: u64,
}

impl Tensor {
    /// How many numbers it holds.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// All that is known of a model before its tensors' data.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The file's keys and values.
    pub metadata: Metadata,
    /// Sorted by offset, each name once.
    pub tensors: Vec<Tensor>,
    /// The end of the last tensor: a shorter file is cut off.
    pub file_bytes: u64,
}

impl Catalog {
    /// A tensor by its name, by linear search.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// A name out of a file, made safe for a message: escaped and cut short.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 80;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}
