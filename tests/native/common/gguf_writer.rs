//! Writes GGUF headers, right or wrong as a test wants them.

use sotto::quant::TensorType;

pub struct Writer {
    pub version: u32,
    /// Tensors and keys that the header promises, when not those it has.
    pub counts: Option<(u64, u64)>,
    keys: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data_bytes: u64,
}

impl Writer {
    pub fn new() -> Self {
        Writer { version: 3, counts: None, keys: Vec::new(), tensors: Vec::new(), data_bytes: 0 }
    }

    /// A key with its value: type and bytes, as the functions of [`value`] make them.
    pub fn key(&mut self, key: &str, (tag, bytes): (u32, Vec<u8>)) {
        self.raw_key(&[&text(key), &tag.to_le_bytes()[..], &bytes].concat());
    }

    pub fn raw_key(&mut self, bytes: &[u8]) {
        self.keys.push(bytes.to_vec());
    }

    /// `offset` counts from the start of the data.
    pub fn tensor(&mut self, name: &str, shape: &[u64], kind: TensorType, offset: u64) {
        self.tensor_record(name, shape, kind.id(), offset);
        let blocks = shape.iter().product::<u64>() / kind.block_len() as u64;
        self.data_bytes = self.data_bytes.max(offset + blocks * kind.block_bytes() as u64);
    }

    /// The next tensor, right behind those before it.
    pub fn append(&mut self, name: &str, shape: &[u64], kind: TensorType) {
        self.tensor(name, shape, kind, self.data_bytes.next_multiple_of(32));
    }

    pub fn tensor_record(&mut self, name: &str, shape: &[u64], kind: u32, offset: u64) {
        let mut bytes = text(name);
        bytes.extend((shape.len() as u32).to_le_bytes());
        bytes.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        self.raw_tensor(&bytes);
    }

    pub fn raw_tensor(&mut self, bytes: &[u8]) {
        self.tensors.push(bytes.to_vec());
    }

    /// Up to the last tensor record, without padding.
    pub fn header(&self) -> Vec<u8> {
        let (tensors, keys) = self.counts.unwrap_or((self.tensors.len() as u64, self.keys.len() as u64));
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(keys.to_le_bytes());
        bytes.extend(self.keys.concat());
        bytes.extend(self.tensors.concat());
        bytes
    }

    /// With tensor data of zeros.
    pub fn file(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(32) + self.data_bytes as usize, 0);
        bytes
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A small seeded generator (xorshift), so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Metadata values: type and bytes.
pub mod value {
    pub fn scalar(tag: u32, bytes: &[u8]) -> (u32, Vec<u8>) {
        (tag, bytes.to_vec())
    }

    pub fn u32(number: u32) -> (u32, Vec<u8>) {
        (4, number.to_le_bytes().to_vec())
    }

    pub fn f32(number: f32) -> (u32, Vec<u8>) {
        (6, number.to_le_bytes().to_vec())
    }

    pub fn bool(flag: bool) -> (u32, Vec<u8>) {
        (7, vec![flag as u8])
    }

    pub fn text(text: &str) -> (u32, Vec<u8>) {
        (8, super::text(text))
    }

    pub fn list(tag: u32, count: u64, bytes: Vec<u8>) -> (u32, Vec<u8>) {
        (9, [&tag.to_le_bytes()[..], &count.to_le_bytes(), &bytes].concat())
    }

    pub fn texts(texts: &[&str]) -> (u32, Vec<u8>) {
        list(8, texts.len() as u64, texts.iter().flat_map(|text| super::text(text)).collect())
    }
}
