//! Writes GGUF files, and fills tensors of every type with seeded numbers.
//!
//! Nothing here calls a math library, so the bytes are the same on every machine.

use half::{bf16, f16};

/// splitmix64: the whole generator is one addition and three mixes.
pub struct Rng(u64);

impl Rng {
    /// Seeded by a name, so that adding a tensor never changes another one.
    pub fn named(name: &str) -> Self {
        Rng(fnv1a(name.as_bytes()))
    }

    #[allow(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), exact in f32.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [-1, 1).
    pub fn symmetric(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }
}

/// FNV-1a, 64 bits: seeds, and the hashes that pin the generated files.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ b as u64).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A tensor type: its id in the file and how to make random blocks of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    pub id: u32,
    pub name: &'static str,
    /// Elements and bytes of a block.
    pub len: usize,
    pub bytes: usize,
    /// Byte offset of the f16 scale; every byte but the scales is random.
    scale_at: usize,
    /// Offset of the f16 minimum and its value over the scale, chosen so that weights average 0.
    min: Option<(usize, f32)>,
    /// Standard deviation of the weights for a scale of 1.
    deviation: f32,
}

const fn float(id: u32, name: &'static str, bytes: usize) -> Kind {
    Kind { id, name, len: 1, bytes, scale_at: 0, min: None, deviation: 1.0 }
}

pub const F32: Kind = float(0, "f32", 4);
pub const F16: Kind = float(1, "f16", 2);
pub const BF16: Kind = float(30, "bf16", 2);

/// The quantized types. Layouts: ggml's block structs.
#[rustfmt::skip]
pub const QUANTIZED: [Kind; 10] = [
    Kind { id: 2,  name: "q4_0", len: 32,  bytes: 18,  scale_at: 0,   min: None,               deviation: 4.6 },
    Kind { id: 3,  name: "q4_1", len: 32,  bytes: 20,  scale_at: 0,   min: Some((2, -7.5)),    deviation: 4.6 },
    Kind { id: 6,  name: "q5_0", len: 32,  bytes: 22,  scale_at: 0,   min: None,               deviation: 9.2 },
    Kind { id: 7,  name: "q5_1", len: 32,  bytes: 24,  scale_at: 0,   min: Some((2, -15.5)),   deviation: 9.2 },
    Kind { id: 8,  name: "q8_0", len: 32,  bytes: 34,  scale_at: 0,   min: None,               deviation: 74.0 },
    Kind { id: 10, name: "q2_k", len: 256, bytes: 84,  scale_at: 80,  min: Some((82, 1.5)),    deviation: 13.9 },
    Kind { id: 11, name: "q3_k", len: 256, bytes: 110, scale_at: 108, min: None,               deviation: 43.3 },
    Kind { id: 12, name: "q4_k", len: 256, bytes: 144, scale_at: 0,   min: Some((2, 7.5)),     deviation: 258.0 },
    Kind { id: 13, name: "q5_k", len: 256, bytes: 176, scale_at: 0,   min: Some((2, 15.5)),    deviation: 527.0 },
    Kind { id: 14, name: "q6_k", len: 256, bytes: 210, scale_at: 208, min: None,               deviation: 1366.0 },
];

/// The others, which are stored as codes, or as another type.
#[rustfmt::skip]
pub const CODED: [Kind; 14] = [
    Kind { id: 20, name: "iq4_nl",  len: 32,  bytes: 18,  scale_at: 0,  min: None, deviation: 67.5 },
    Kind { id: 23, name: "iq4_xs",  len: 256, bytes: 136, scale_at: 0,  min: None, deviation: 1247.0 },
    Kind { id: 39, name: "mxfp4",   len: 32,  bytes: 17,  scale_at: 0,  min: None, deviation: 5.8 },
    Kind { id: 41, name: "q1_0",    len: 128, bytes: 18,  scale_at: 0,  min: None, deviation: 1.0 },
    Kind { id: 34, name: "tq1_0",   len: 256, bytes: 54,  scale_at: 52, min: None, deviation: 0.82 },
    Kind { id: 21, name: "iq3_s",   len: 256, bytes: 110, scale_at: 0,  min: None, deviation: 140.0 },
    Kind { id: 18, name: "iq3_xxs", len: 256, bytes: 98,  scale_at: 0,  min: None, deviation: 142.0 },
    Kind { id: 22, name: "iq2_s",   len: 256, bytes: 82,  scale_at: 0,  min: None, deviation: 56.6 },
    Kind { id: 35, name: "tq2_0",   len: 256, bytes: 66,  scale_at: 64, min: None, deviation: 1.0 },
    Kind { id: 17, name: "iq2_xs",  len: 256, bytes: 74,  scale_at: 0,  min: None, deviation: 55.8 },
    Kind { id: 16, name: "iq2_xxs", len: 256, bytes: 66,  scale_at: 0,  min: None, deviation: 53.5 },
    Kind { id: 19, name: "iq1_s",   len: 256, bytes: 50,  scale_at: 0,  min: None, deviation: 7.2 },
    Kind { id: 29, name: "iq1_m",   len: 256, bytes: 56,  scale_at: 48, min: None, deviation: 7.2 },
    Kind { id: 40, name: "nvfp4",   len: 64,  bytes: 36,  scale_at: 0,  min: None, deviation: 5.9 },
];

pub fn kind(name: &str) -> Option<Kind> {
    [F32, F16, BF16].into_iter().chain(QUANTIZED).chain(CODED).find(|k| k.name == name)
}

/// `n` random weights of mean about 0 and the given standard deviation, as the file's bytes.
pub fn random_weights(kind: Kind, n: usize, deviation: f32, rng: &mut Rng) -> Vec<u8> {
    assert!(n.is_multiple_of(kind.len), "{n} elements are no whole blocks of {}", kind.name);
    let mut out = Vec::with_capacity(n / kind.len * kind.bytes);
    if kind.len == 1 {
        let width = 1.732_050_8 * deviation; // a uniform's deviation is its half width over √3
        for _ in 0..n {
            push_float(kind, width * rng.symmetric(), &mut out);
        }
        return out;
    }
    for _ in 0..n / kind.len {
        let start = out.len();
        while out.len() < start + kind.bytes {
            let word = rng.next().to_le_bytes();
            let room = (start + kind.bytes - out.len()).min(8);
            out.extend_from_slice(&word[..room]);
        }
        let sign = if rng.next() & 1 == 0 { 1.0 } else { -1.0 };
        let scale = sign * deviation / kind.deviation * (0.75 + 0.5 * rng.unit());
        put_scale(kind, &mut out[start..], scale);
        if let Some((at, ratio)) = kind.min {
            put_f16(&mut out[start + at..], scale * ratio * (0.9 + 0.2 * rng.unit()));
        }
    }
    out
}

/// Writes a block's scale as its type has it.
fn put_scale(kind: Kind, block: &mut [u8], scale: f32) {
    let bits = scale.to_bits();
    match kind.name {
        // A power of two, 128 for 1.
        "mxfp4" => block[0] = ((bits >> 23) & 0xff) as u8 + 1,
        // Four floats with 4 bits of exponent and 3 of mantissa, twice the scale.
        "nvfp4" => {
            let exponent = (((bits >> 23) & 0xff) as i32 - 127 + 1 + 7).clamp(1, 15) as u8;
            block[..4].iter_mut().for_each(|v| *v = exponent << 3 | *v & 3);
        }
        "iq1_m" => {
            let half = f16::from_f32(scale).to_bits();
            (0..4).for_each(|i| block[49 + 2 * i] = block[49 + 2 * i] & 15 | ((half >> (4 * i) & 15) << 4) as u8);
        }
        // No weight of 2, which writers do not make.
        "tq2_0" => {
            block[..64].iter_mut().for_each(|q| *q &= !(*q >> 1 & 0x55));
            put_f16(&mut block[kind.scale_at..], scale);
        }
        _ => put_f16(&mut block[kind.scale_at..], scale),
    }
}

fn put_f16(at: &mut [u8], value: f32) {
    at[..2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
}

fn push_float(kind: Kind, value: f32, out: &mut Vec<u8>) {
    match kind.name {
        "f32" => out.extend(value.to_le_bytes()),
        "f16" => out.extend(f16::from_f32(value).to_le_bytes()),
        _ => out.extend(bf16::from_f32(value).to_le_bytes()),
    }
}

/// A metadata value as the file spells it.
#[derive(Clone, Debug)]
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Str(String),
    Strings(Vec<String>),
    Bools(Vec<bool>),
    Ints(Vec<i32>),
    Floats(Vec<f32>),
    /// A type id and its bytes, for files that break the format.
    Raw(u32, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    /// GGUF order: `shape[0]` is contiguous.
    pub shape: Vec<u64>,
    pub kind_id: u32,
    pub data: Vec<u8>,
    /// Overrides the offset in the tensor table, for files that break the format.
    pub offset: Option<u64>,
}

/// A GGUF file in memory; public fields, so that a test can spoil any of them.
#[derive(Clone, Debug)]
pub struct Gguf {
    pub version: u32,
    pub metadata: Vec<(String, Value)>,
    pub tensors: Vec<Tensor>,
}

const ALIGNMENT: usize = 32;

impl Gguf {
    pub fn set(&mut self, key: &str, value: Value) {
        match self.metadata.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.into(), value)),
        }
    }

    pub fn remove(&mut self, key: &str) {
        self.metadata.retain(|(k, _)| k != key);
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|t| t.name == name).expect("a tensor of that name")
    }

    /// In several files, as llama.cpp's gguf-split writes them: all metadata in the first, about as many tensors in each.
    pub fn split(&self, count: u16) -> Vec<Gguf> {
        let each = self.tensors.len().div_ceil(count.into());
        let part = |(no, tensors): (usize, &[Tensor])| {
            let metadata = if no == 0 { self.metadata.clone() } else { Vec::new() };
            let mut file = Gguf { version: self.version, metadata, tensors: tensors.to_vec() };
            file.set("split.no", Value::Raw(2, (no as u16).to_le_bytes().to_vec()));
            file.set("split.count", Value::Raw(2, count.to_le_bytes().to_vec()));
            file.set("split.tensors.count", Value::Raw(5, (self.tensors.len() as i32).to_le_bytes().to_vec()));
            file
        };
        self.tensors.chunks(each).enumerate().map(part).collect()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_str(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0;
        for t in &self.tensors {
            put_str(&mut out, &t.name);
            out.extend((t.shape.len() as u32).to_le_bytes());
            t.shape.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(t.kind_id.to_le_bytes());
            out.extend(t.offset.unwrap_or(offset as u64).to_le_bytes());
            offset += t.data.len().next_multiple_of(ALIGNMENT);
        }
        for t in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(&t.data);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }

    /// The same without what the tensors hold.
    pub fn header(&self) -> Vec<u8> {
        let mut out = self.to_bytes();
        let data: usize = self.tensors.iter().map(|tensor| tensor.data.len().next_multiple_of(ALIGNMENT)).sum();
        out.truncate(out.len() - data);
        out
    }
}

fn put_str(out: &mut Vec<u8>, s: &str) {
    out.extend((s.len() as u64).to_le_bytes());
    out.extend(s.as_bytes());
}

fn put_array(out: &mut Vec<u8>, element: u32, len: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U32(v) => put_raw(out, 4, &v.to_le_bytes()),
        Value::F32(v) => put_raw(out, 6, &v.to_le_bytes()),
        Value::Bool(v) => put_raw(out, 7, &[*v as u8]),
        Value::Str(v) => {
            out.extend(8u32.to_le_bytes());
            put_str(out, v);
        }
        Value::Strings(v) => {
            put_array(out, 8, v.len());
            v.iter().for_each(|s| put_str(out, s));
        }
        Value::Bools(v) => {
            put_array(out, 7, v.len());
            out.extend(v.iter().map(|&flag| u8::from(flag)));
        }
        Value::Ints(v) => {
            put_array(out, 5, v.len());
            v.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        Value::Floats(v) => {
            put_array(out, 6, v.len());
            v.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        Value::Raw(id, bytes) => put_raw(out, *id, bytes),
    }
}

fn put_raw(out: &mut Vec<u8>, id: u32, bytes: &[u8]) {
    out.extend(id.to_le_bytes());
    out.extend(bytes);
}
