//! The header of a safetensors file: eight bytes that say how long it is, then JSON.
//!
//! Read here and not by the crate `safetensors`, which counts bytes by what a pointer holds: in wasm no more than 4 GiB, and
//! files of repositories have 5 GB.

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::base::error::{Code, Error, Result};
use crate::file::quoted;
use crate::quant::TensorType;

/// No model's header comes near.
const MAX_HEADER: u64 = 32 << 20;
/// What a file begins with: how many bytes of JSON follow.
const LENGTH: usize = 8;
/// JavaScript counts bytes in doubles: exact up to here.
const MAX_FILE_BYTES: u64 = 1 << 53;

/// What files begin with that hold weights too, and run whatever is in them.
const ZIP: u16 = 0x4b50;
const PICKLE: u16 = 0x0280;

/// A tensor as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As Hugging Face names it.
    pub name: String,
    /// The type of its numbers, such as `BF16`.
    pub dtype: String,
    /// The length of a row is the last.
    pub shape: Vec<u64>,
    /// Its first byte in the file.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

impl Entry {
    /// The type of floats that are read; `None` for all else.
    pub fn float(&self) -> Option<TensorType> {
        FLOATS.iter().find(|(name, _)| *name == self.dtype).map(|(_, kind)| *kind)
    }
}

const FLOATS: [(&str, TensorType); 3] =
    [("F32", TensorType::F32), ("F16", TensorType::F16), ("BF16", TensorType::BF16)];

/// What a file says before its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// In the order in which they lie in the file, with nothing between.
    pub entries: Vec<Entry>,
    /// The end of the last: a shorter file is cut off.
    pub file_bytes: u64,
}

#[derive(Deserialize)]
struct Written {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads a header from bytes that arrive in order, in pieces of any size.
pub struct HeadParser {
    /// Of its errors.
    code: Code,
    bytes: Vec<u8>,
}

impl HeadParser {
    /// One whose errors have this code.
    pub fn new(code: Code) -> Self {
        HeadParser { code, bytes: Vec::new() }
    }

    /// Takes the next bytes; gives the header once it is whole. The parser is spent then, and after an error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Head>> {
        // No more is kept than a header may have.
        let room = (MAX_HEADER as usize + LENGTH).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let Some((length, rest)) = self.bytes.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER {
            let pickle = match length as u16 {
                ZIP | PICKLE => "; it looks like a pickle, which may run programs and is not read",
                _ => "",
            };
            return Err(self.error(format!("The file is no safetensors file{pickle}; take one that is")));
        }
        let Some(header) = rest.get(..length as usize) else { return Ok(None) };
        let written: WrittenTensors =
            serde_json::from_slice(header).map_err(|e| self.error(format!("{DAMAGED} ({e}); download it again")))?;
        self.read(written.0, LENGTH as u64 + length).map(Some)
    }

    /// Checks that the tensors tile what follows the header, which ends at `start`.
    fn read(&self, written: IndexMap<String, Written>, start: u64) -> Result<Head> {
        let mut entries: Vec<Entry> = Vec::with_capacity(written.len());
        for (name, Written { dtype, shape, data_offsets: (begin, end) }) in written {
            let wrong =
                |what: &str| self.error(format!("{DAMAGED}: the tensor {} {what}; download it again", quoted(&name)));
            let elements = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
            let bytes = end.checked_sub(begin).filter(|_| end <= MAX_FILE_BYTES);
            let (Some(elements), Some(bytes)) = (elements, bytes) else {
                return Err(wrong("lies outside of any file"));
            };
            let entry = Entry { name: name.clone(), dtype, shape, offset: start + begin, bytes };
            if entry.float().is_some_and(|kind| elements.checked_mul(kind.block_bytes() as u64) != Some(bytes)) {
                return Err(wrong("has not as many bytes as its shape wants"));
            }
            entries.push(entry);
        }
        entries.sort_by_key(|entry| (entry.offset, entry.bytes));
        let mut file_bytes = start;
        for entry in &entries {
            if entry.offset != file_bytes {
                let name = quoted(&entry.name);
                return Err(
                    self.error(format!("{DAMAGED}: the tensor {name} begins where none ends; download it again"))
                );
            }
            file_bytes += entry.bytes;
        }
        Ok(Head { entries, file_bytes })
    }

    fn error(&self, message: String) -> Error {
        Error::new(self.code, message)
    }
}

const DAMAGED: &str = "The header of the safetensors file is damaged";

/// The members of a header, but for the one that is no tensor.
struct WrittenTensors(IndexMap<String, Written>);

impl<'de> Deserialize<'de> for WrittenTensors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = IndexMap<String, Written>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("tensors by their names")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut found = IndexMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if found.insert(name, map.next_value()?).is_some() {
                        return Err(serde::de::Error::custom("two tensors have one name"));
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Visitor).map(WrittenTensors)
    }
}
