//! The incremental header parser.
//!
//! A state machine that takes one element at a time (a key, a value, a tensor record, as many
//! array elements as are there) and keeps only the bytes of the element that is cut off. All
//! counts and lengths are bounded before anything is allocated for them, so a hostile file
//! costs bounded time and memory.

use super::Header;
use super::cursor::{Cursor, MAX_HEADER_BYTES, float, integer};
use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::{Catalog, Metadata, Tensor, Value, quoted};
use crate::quant::TensorType;

const MAGIC: &[u8; 4] = b"GGUF";
/// What the header may take once decoded: small file elements grow (a byte becomes an `i64`).
const MAX_DECODED_BYTES: u64 = 128 << 20;
const MAX_TENSORS: u64 = 1 << 20;
const MAX_KEYS: u64 = 1 << 16;
const MAX_STRING_BYTES: u64 = 64 << 20;
const MAX_KEY_BYTES: u64 = 1 << 16;
const MAX_NAME_BYTES: u64 = 1 << 10;
const MAX_DIMENSIONS: u32 = 4;
/// A large push is taken in steps, so that it is never joined to left-over bytes as a whole.
const STEP_BYTES: usize = 256 << 10;

const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes per value of a metadata type; a string's are those of its length.
fn value_bytes(tag: u32) -> Option<usize> {
    match tag {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        STRING | 10..=12 => Some(8),
        _ => None,
    }
}

/// Types that files have and this library lacks, for the message.
const OTHER_TYPES: &[(u32, &str)] =
    &[(9, "Q8_1"), (15, "Q8_K"), (24, "I8"), (25, "I16"), (26, "I32"), (27, "I64"), (28, "F64")];

/// What people often hand over in place of a model, by its first bytes.
const OTHER_FILES: &[(&[u8], &str)] = &[
    (b"<", "a web page; use the address of the file itself"),
    (b"vers", "a Git LFS pointer; use the address of the file itself"),
    (b"PK", "a zip archive; unpack it first"),
    (b"lmgg", "an old ggml file; convert the model to GGUF"),
    (b"tjgg", "an old ggml file; convert the model to GGUF"),
];

enum State {
    Start,
    Key,
    Value {
        key: String,
        tag: u32,
    },
    Array {
        key: String,
        tag: u32,
        left: u64,
        list: Value,
    },
    Tensor,
    /// Finished or failed.
    Done,
}

enum Step {
    /// An element was taken.
    On,
    /// The bytes end inside an element.
    Starved,
    Finished,
}

/// Reads a header from bytes that arrive in order, in pieces of any size.
pub struct HeaderParser {
    /// Bytes of the element that is cut off.
    pending: Vec<u8>,
    /// File offset of the first pending byte.
    position: u64,
    decoded: u64,
    state: State,
    version: u32,
    keys_left: u64,
    tensors_left: u64,
    metadata: Metadata,
    tensors: Vec<Tensor>,
}

impl Default for HeaderParser {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderParser {
    /// A parser that has seen nothing yet.
    pub fn new() -> Self {
        HeaderParser {
            pending: Vec::new(),
            position: 0,
            decoded: 0,
            state: State::Start,
            version: 0,
            keys_left: 0,
            tensors_left: 0,
            metadata: Metadata::default(),
            tensors: Vec::new(),
        }
    }

    /// Takes the next bytes of the file. Once the header is complete, returns it and how many of
    /// *these* bytes lie before the tensor data (padding included). When the padding itself is
    /// not all here yet that is all of them, and the rest of it, up to
    /// [`Header::data_offset`], comes with later bytes. After that, or an error, the parser is
    /// spent.
    ///
    /// Errors: `NotGguf`, `UnsupportedVersion`, `BadHeader`, `BadMetadata` (the alignment),
    /// `UnsupportedTensorType`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(Header, usize)>> {
        let start = self.received();
        for part in bytes.chunks(STEP_BYTES) {
            if let Some(header) = self.advance(part)? {
                let ours = (header.data_offset - start).min(bytes.len() as u64);
                return Ok(Some((header, ours as usize)));
            }
        }
        Ok(None)
    }

    /// What was read until an error: for those who say what a file is that cannot be run.
    pub fn so_far(self) -> Header {
        let file_bytes = self.tensors.iter().map(|tensor| tensor.bytes).sum();
        let catalog = Catalog { metadata: self.metadata, tensors: self.tensors, file_bytes };
        Header { version: self.version, catalog, data_offset: 0 }
    }

    /// The error to report when the file ends before its header does.
    pub fn finish(&self) -> Error {
        if let (State::Start, Err(error)) = (&self.state, check_magic(&self.pending)) {
            return error;
        }
        let inside = match &self.state {
            State::Start => "its first 24 bytes".to_string(),
            State::Key => "a metadata key".to_string(),
            State::Value { key, .. } | State::Array { key, .. } => {
                format!("the metadata value of {}", quoted(key))
            }
            State::Tensor => format!("the record of tensor {}", self.tensors.len()),
            State::Done => "its header".to_string(),
        };
        let message = match self.received() {
            0 => "The file is empty; download it again".to_string(),
            received => {
                format!("The file ends at byte {received}, inside {inside}; download it again")
            }
        };
        Error::new(Code::Truncated, message)
    }

    fn received(&self) -> u64 {
        self.position + self.pending.len() as u64
    }

    fn advance(&mut self, part: &[u8]) -> Result<Option<Header>> {
        let mut kept = std::mem::take(&mut self.pending);
        let joined = !kept.is_empty();
        if joined {
            kept.extend_from_slice(part);
        }
        let mut cursor = Cursor { bytes: if joined { &kept } else { part }, at: 0, start: self.position };
        loop {
            let element = cursor.at;
            match self.step(&mut cursor)? {
                Step::On => {}
                Step::Starved => {
                    cursor.at = element;
                    break;
                }
                Step::Finished => return self.complete(cursor.offset()).map(Some),
            }
        }
        let taken = cursor.at;
        if joined {
            kept.drain(..taken);
        } else {
            kept.extend_from_slice(&part[taken..]);
        }
        self.position += taken as u64;
        self.pending = kept;
        Ok(None)
    }

    fn complete(&mut self, end: u64) -> Result<Header> {
        let metadata = std::mem::take(&mut self.metadata);
        let tensors = std::mem::take(&mut self.tensors);
        Header::new(self.version, metadata, tensors, end)
    }

    /// Takes one element, or leaves the state as it was.
    fn step(&mut self, cursor: &mut Cursor) -> Result<Step> {
        if cursor.offset() > MAX_HEADER_BYTES {
            bail!(BadHeader, "The header is longer than {} MiB; the file is damaged", MAX_HEADER_BYTES >> 20);
        }
        // An error leaves the parser spent.
        match std::mem::replace(&mut self.state, State::Done) {
            State::Start => self.start(cursor),
            State::Key => self.key(cursor),
            State::Value { key, tag } => self.value(cursor, key, tag),
            State::Array { key, tag, left, list } => self.array(cursor, key, tag, left, list),
            State::Tensor => self.tensor(cursor),
            State::Done => bail!(Internal, "A spent header parser was given more bytes"),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "every state returns what it gives")]
    fn starved(&mut self, state: State) -> Result<Step> {
        self.state = state;
        Ok(Step::Starved)
    }

    fn start(&mut self, cursor: &mut Cursor) -> Result<Step> {
        let Some(mut fixed) = cursor.peek(24) else {
            if cursor.bytes.len() >= MAGIC.len() {
                check_magic(cursor.bytes)?;
            }
            return self.starved(State::Start);
        };
        check_magic(fixed.bytes)?;
        fixed.at = MAGIC.len();
        let (Some(version), Some(tensors), Some(keys)) = (fixed.u32(), fixed.u64(), fixed.u64()) else {
            return self.starved(State::Start);
        };
        match version {
            2 | 3 => self.version = version,
            1 => bail!(
                UnsupportedVersion,
                "This is a GGUF file of version 1, versions 2 and 3 are read; convert the model again"
            ),
            _ if version & 0xffff == 0 => {
                bail!(UnsupportedVersion, "This is a big-endian GGUF file; convert the model again as little-endian")
            }
            _ => bail!(
                UnsupportedVersion,
                "This is a GGUF file of version {version}, versions 2 and 3 are read; convert the model again"
            ),
        }
        if tensors > MAX_TENSORS || keys > MAX_KEYS {
            bail!(
                BadHeader,
                "The header promises {tensors} tensors and {keys} metadata keys, which is absurd; the file is damaged"
            );
        }
        self.tensors_left = tensors;
        self.keys_left = keys;
        cursor.at += fixed.at;
        Ok(self.next_key())
    }

    fn next_key(&mut self) -> Step {
        match (self.keys_left, self.tensors_left) {
            (0, 0) => return Step::Finished,
            (0, _) => self.state = State::Tensor,
            _ => self.state = State::Key,
        }
        Step::On
    }

    fn key(&mut self, cursor: &mut Cursor) -> Result<Step> {
        let Some(key) = cursor.string(MAX_KEY_BYTES)? else {
            return self.starved(State::Key);
        };
        let Some(tag) = cursor.u32() else {
            return self.starved(State::Key);
        };
        let Ok(key) = std::str::from_utf8(key) else {
            bail!(BadHeader, "A metadata key is not text, before byte {}; the file is damaged", cursor.offset());
        };
        if key.is_empty() {
            bail!(BadHeader, "A metadata key is empty, before byte {}; the file is damaged", cursor.offset());
        }
        if self.metadata.get(key).is_some() {
            bail!(BadHeader, "The metadata key {} occurs twice; the file is damaged", quoted(key));
        }
        if tag != ARRAY && value_bytes(tag).is_none() {
            bail!(BadHeader, "The metadata key {} has a value of unknown type {tag}; the file is damaged", quoted(key));
        }
        self.charge(size_of::<Value>() + size_of::<String>() + key.len())?;
        self.keys_left -= 1;
        self.state = State::Value { key: key.to_string(), tag };
        Ok(Step::On)
    }

    fn value(&mut self, cursor: &mut Cursor, key: String, tag: u32) -> Result<Step> {
        if tag == ARRAY {
            let (Some(tag), Some(left)) = (cursor.u32(), cursor.u64()) else {
                return self.starved(State::Value { key, tag });
            };
            let Some(bytes) = value_bytes(tag) else {
                bail!(
                    BadHeader,
                    "The metadata key {} is a list of type {tag}, which is none that may be listed; the file is damaged",
                    quoted(&key)
                );
            };
            if left > cursor.room() / bytes as u64 {
                bail!(
                    BadHeader,
                    "The metadata key {} promises {left} values, which is absurd; the file is damaged",
                    quoted(&key)
                );
            }
            let list = empty_list(tag);
            self.state = State::Array { key, tag, left, list };
            return Ok(Step::On);
        }
        let value = if tag == STRING {
            let Some(text) = cursor.string(MAX_STRING_BYTES)? else {
                return self.starved(State::Value { key, tag });
            };
            let text = String::from_utf8_lossy(text);
            self.charge(text.len())?;
            Value::Str(text.into_owned())
        } else {
            let Some(bytes) = value_bytes(tag).and_then(|bytes| cursor.take(bytes)) else {
                return self.starved(State::Value { key, tag });
            };
            match tag {
                6 | 12 => Value::F64(float(tag, bytes)),
                7 => Value::Bool(bytes[0] != 0),
                1 | 3 | 5 | 11 => Value::I64(integer(tag, bytes) as i64),
                _ => Value::U64(integer(tag, bytes) as u64),
            }
        };
        self.metadata.insert(key, value);
        Ok(self.next_key())
    }

    /// Takes as many elements as are there.
    fn array(&mut self, cursor: &mut Cursor, key: String, tag: u32, mut left: u64, mut list: Value) -> Result<Step> {
        if left == 0 {
            self.metadata.insert(key, list);
            return Ok(self.next_key());
        }
        let before = left;
        if let Value::Strings(texts) = &mut list {
            while left > 0 {
                let element = cursor.at;
                let Some(text) = cursor.string(MAX_STRING_BYTES)? else {
                    cursor.at = element;
                    break;
                };
                let text = String::from_utf8_lossy(text);
                self.charge(size_of::<String>() + text.len())?;
                texts.push(text.into_owned());
                left -= 1;
            }
        } else if let Some(bytes) = value_bytes(tag) {
            let here = left.min((cursor.rest().len() / bytes) as u64);
            let run = cursor.take(here as usize * bytes).unwrap_or_default();
            self.charge(here as usize * 8)?;
            push_all(&mut list, tag, run.chunks_exact(bytes));
            left -= here;
        }
        let starved = left == before;
        self.state = State::Array { key, tag, left, list };
        Ok(if starved { Step::Starved } else { Step::On })
    }

    fn tensor(&mut self, cursor: &mut Cursor) -> Result<Step> {
        match tensor_record(cursor)? {
            None => self.starved(State::Tensor),
            Some(tensor) => {
                self.charge(size_of::<Tensor>() + tensor.name.len() + 8 * tensor.shape.len())?;
                self.tensors.push(tensor);
                self.tensors_left -= 1;
                if self.tensors_left == 0 {
                    return Ok(Step::Finished);
                }
                self.state = State::Tensor;
                Ok(Step::On)
            }
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.decoded += bytes as u64;
        if self.decoded > MAX_DECODED_BYTES {
            bail!(
                BadHeader,
                "The header takes more than {} MiB of memory; the file is damaged",
                MAX_DECODED_BYTES >> 20
            );
        }
        Ok(())
    }
}

/// `None` when the bytes end inside the record. The offset is relative to the data section.
fn tensor_record(cursor: &mut Cursor) -> Result<Option<Tensor>> {
    let Some(name) = cursor.string(MAX_NAME_BYTES)? else {
        return Ok(None);
    };
    let Ok(name) = std::str::from_utf8(name) else {
        bail!(BadHeader, "A tensor's name is not text, before byte {}; the file is damaged", cursor.offset());
    };
    let shown = quoted(name);
    let Some(dimensions) = cursor.u32() else {
        return Ok(None);
    };
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        bail!(
            BadHeader,
            "The tensor {shown} has {dimensions} dimensions, not 1 to {MAX_DIMENSIONS}; the file is damaged"
        );
    }
    let Some(mut rest) = cursor.peek(dimensions as usize * 8 + 12) else {
        return Ok(None);
    };
    let shape: Vec<u64> = (0..dimensions).map_while(|_| rest.u64()).collect();
    let (Some(id), Some(offset)) = (rest.u32(), rest.u64()) else {
        return Ok(None);
    };
    cursor.at += rest.at;
    let Some(kind) = TensorType::from_ggml(id) else {
        let name = OTHER_TYPES.iter().find(|(other, _)| *other == id).map_or("unknown", |(_, name)| name);
        bail!(
            UnsupportedTensorType,
            "The tensor {shown} is of type {name} (number {id}), which is not supported; use a file of another quantization, such as Q4_K_M"
        );
    };
    let (block_len, block_bytes) = (kind.block_len() as u64, kind.block_bytes() as u64);
    let elements = shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
    let bytes = elements.and_then(|elements| (elements / block_len).checked_mul(block_bytes));
    let Some(bytes) = bytes.filter(|&bytes| bytes > 0) else {
        bail!(
            BadHeader,
            "The tensor {shown} has the shape {shape:?}, which is empty or absurdly large; the file is damaged"
        );
    };
    if !shape[0].is_multiple_of(block_len) {
        bail!(
            BadHeader,
            "The tensor {shown} has rows of {}, which {} cannot hold in blocks of {block_len}; the file is damaged",
            shape[0],
            kind.name()
        );
    }
    Ok(Some(Tensor { name: name.to_string(), shape, kind, offset, bytes }))
}

/// Four bytes or more must be the magic; fewer, its beginning.
fn check_magic(bytes: &[u8]) -> Result<()> {
    let first = &bytes[..bytes.len().min(MAGIC.len())];
    if MAGIC.starts_with(first) {
        return Ok(());
    }
    match OTHER_FILES.iter().find(|(begins, _)| first.starts_with(begins)) {
        Some((_, what)) => bail!(NotGguf, "This is not a GGUF file but {what}"),
        None => bail!(NotGguf, "This is not a GGUF file: it starts with \"{}\", not \"GGUF\"", first.escape_ascii()),
    }
}

fn empty_list(tag: u32) -> Value {
    match tag {
        STRING => Value::Strings(Vec::new()),
        6 | 12 => Value::Floats(Vec::new()),
        7 => Value::Bools(Vec::new()),
        _ => Value::Ints(Vec::new()),
    }
}

fn push_all(list: &mut Value, tag: u32, values: std::slice::ChunksExact<'_, u8>) {
    match list {
        Value::Ints(list) => list.extend(values.map(|bytes| i64::try_from(integer(tag, bytes)).unwrap_or(i64::MAX))),
        Value::Floats(list) => list.extend(values.map(|bytes| float(tag, bytes) as f32)),
        Value::Bools(list) => list.extend(values.map(|bytes| bytes[0] != 0)),
        _ => {}
    }
}
