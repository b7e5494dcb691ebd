//! GGUF files: the header, read from the first bytes that arrive.
//!
//! A file is magic, version, counts, metadata (key, type, value), tensor records (name, shape,
//! type, offset), padding, tensor data. Versions 2 and 3, little-endian. [`HeaderParser`] takes
//! the bytes in pieces of any size and hands out a [`Header`]; nothing here reads tensor data.
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod cursor;
mod parser;
mod split;
pub mod write;

pub use parser::HeaderParser;
pub use split::Joined;

use crate::bail;
use crate::base::error::Result;
use crate::file::{Catalog, Metadata, Tensor, quoted};

/// Where tensor data starts, in multiples of, when the file does not say.
const DEFAULT_ALIGNMENT: u32 = 32;
const MAX_ALIGNMENT: u32 = 1 << 16;
/// JavaScript counts bytes in doubles: exact up to here.
const MAX_FILE_BYTES: u64 = 1 << 53;

/// All that a file says before its tensor data.
#[derive(Clone, Debug)]
pub struct Header {
    /// Of the GGUF format.
    pub version: u32,
    /// Its tensors follow each other with nothing but padding between.
    pub catalog: Catalog,
    /// First byte of tensor data, counted from the start of the file.
    pub data_offset: u64,
}

impl Header {
    /// Puts the records in file order and checks that they tile the data section. Offsets come
    /// in relative to that section and go out relative to the file; `end` is the first byte
    /// after the last record.
    fn new(version: u32, metadata: Metadata, mut tensors: Vec<Tensor>, end: u64) -> Result<Self> {
        if tensors.is_empty() {
            let catalog = Catalog { metadata, tensors, file_bytes: end };
            return Ok(Header { version, catalog, data_offset: end });
        }
        check_unique(&tensors)?;
        let alignment = alignment(&metadata)?;
        let data_offset = end.next_multiple_of(alignment);
        tensors.sort_by_key(|tensor| tensor.offset);
        let mut next = 0u64;
        let mut file_bytes = data_offset;
        for tensor in &mut tensors {
            let name = quoted(&tensor.name);
            if !tensor.offset.is_multiple_of(alignment) {
                bail!(
                    BadHeader,
                    "The tensor {name} starts at {}, which is no multiple of {alignment}; the file is damaged",
                    tensor.offset
                );
            }
            if tensor.offset < next {
                bail!(BadHeader, "The tensor {name} overlaps the one before it; the file is damaged");
            }
            if tensor.offset > next {
                bail!(
                    BadHeader,
                    "The tensor {name} starts at {} of the data, not at {next} where the one before it ends; the file is damaged",
                    tensor.offset
                );
            }
            let end = data_offset.checked_add(tensor.offset).and_then(|at| at.checked_add(tensor.bytes));
            let Some(end) = end.filter(|&end| end <= MAX_FILE_BYTES - alignment) else {
                bail!(BadHeader, "The tensor {name} lies outside any possible file; the file is damaged");
            };
            tensor.offset += data_offset;
            file_bytes = end;
            next = end.next_multiple_of(alignment) - data_offset;
        }
        Ok(Header { version, catalog: Catalog { metadata, tensors, file_bytes }, data_offset })
    }
}

fn check_unique(tensors: &[Tensor]) -> Result<()> {
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!(BadHeader, "Two tensors are called {}; the file is damaged", quoted(pair[0]));
    }
    Ok(())
}

fn alignment(metadata: &Metadata) -> Result<u64> {
    let alignment = metadata.u32("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() || !(8..=MAX_ALIGNMENT).contains(&alignment) {
        bail!(
            BadHeader,
            "The alignment of tensor data is {alignment}, not a power of two from 8 to {MAX_ALIGNMENT}; the file is damaged"
        );
    }
    Ok(alignment as u64)
}
