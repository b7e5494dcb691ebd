//! Reading GPU planes on the CPU: the mirror of `shaders/formats`, the same arithmetic in f32.

use super::TensorType;
use super::grids::{BOOKS, FP4, IQ4};
use super::layout::{BLOCK, gpu_layout};
use half::{bf16, f16};

/// 32 weights of a quantized type: w\[e\] = scale\[e/16\]·q\[e\] + offset\[e/16\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed {
    /// The integers.
    pub q: [i8; BLOCK],
    /// What they are multiplied with, a half each.
    pub scale: [f32; 2],
    /// What is added, a half each.
    pub offset: [f32; 2],
}

/// The same for any type, with v in place of q.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// The numbers as they are stored.
    pub v: [f32; BLOCK],
    /// What they are multiplied with, a half each.
    pub scale: [f32; 2],
    /// What is added, a half each.
    pub offset: [f32; 2],
}

/// Mirror of `load_packed` of a quantized type. `words` is the buffer, `offsets` (bytes) as
/// `plane_offsets` gave them, `b` counts blocks of 32 weights.
///
/// # Panics
/// For a float type, and where the buffer has no block `b`.
pub fn load_packed(kind: TensorType, words: &[u32], offsets: &[u64], b: usize) -> Packed {
    let kind = kind.stored();
    let fields = gpu_layout(kind).fields;
    let start = |plane: usize| (offsets[plane] / 4) as usize;
    let mut q = [0; BLOCK];
    for (plane, field) in fields.iter().enumerate() {
        let per_word = 8 / field.bits;
        for (e, q) in q.iter_mut().enumerate() {
            let (j, i) = (e / 4, e % 4);
            let word = words[start(plane) + field.bits * b + j / per_word];
            let code = word >> (8 * i + field.bits * (j % per_word)) & (0xff >> (8 - field.bits));
            *q |= (code << field.shift) as u8 as i8;
        }
    }
    let n = fields.len();
    let scale_word = |plane: usize, at: usize| words[start(n + plane) + at];
    let half = |plane: usize, at: usize| halves(scale_word(plane, at / 2))[at % 2];
    let quad = |unit: usize| std::array::from_fn(|i| scale_word(0, 4 * unit + i));
    let (scale, offset) = match kind {
        TensorType::Q4_0 => ([half(0, b) / 16.0; 2], [0.0; 2]),
        TensorType::Q5_0 => ([half(0, b) / 8.0; 2], [0.0; 2]),
        TensorType::Q8_0 => ([half(0, b); 2], [0.0; 2]),
        TensorType::Q4_1 | TensorType::Q5_1 => {
            let [d, m] = halves(scale_word(0, b));
            ([d; 2], [m; 2])
        }
        TensorType::Q2_K => {
            let s = scale_word(0, b / 2) >> (16 * (b % 2));
            let [d, dmin] = halves(scale_word(1, b / 8));
            let scale = [s, s >> 8].map(|s| d * (s & 15) as f32);
            (scale, [s >> 4, s >> 12].map(|s| -dmin * (s & 15) as f32))
        }
        TensorType::Q3_K => {
            let quad: [u32; 4] = quad(b / 8);
            let d = f32::from_bits(quad[0]) / 32.0;
            (scale_pair(quad, b).map(|s| d * (s - 32.0)), [0.0; 2])
        }
        TensorType::Q4_K | TensorType::Q5_K => {
            let quad: [u32; 4] = quad(b / 8);
            let [d, dmin] = halves(quad[0]);
            let [scale, min] = scale_pair(quad, b);
            ([d * scale; 2], [-dmin * min; 2])
        }
        TensorType::Q6_K => {
            let s = scale_word(0, b / 2) << (16 * (b % 2));
            let d = half(1, b / 8) / 4.0;
            ([s >> 16, s >> 24].map(|s| d * f32::from(s as u8 as i8)), [0.0; 2])
        }
        TensorType::IQ4_NL => {
            q = q.map(|code| IQ4[code as usize]);
            ([half(0, b); 2], [0.0; 2])
        }
        TensorType::IQ4_XS => {
            let s = scale_word(0, b / 4) >> (8 * (b % 4)) & 0xff;
            let book = (s >> 6) as usize;
            q = q.map(|code| BOOKS[book][code as usize]);
            let unit = if book == 0 { 1.0 } else { 0.5 };
            ([half(1, b / 8) * ((s & 63) as f32 - 32.0) * unit; 2], [0.0; 2])
        }
        TensorType::MXFP4 => {
            q = q.map(|code| FP4[code as usize]);
            let pair = scale_word(0, b);
            ([pair << 16, pair & 0xffff_0000].map(f32::from_bits), [0.0; 2])
        }
        TensorType::IQ2_S => {
            let [d, low, high, magnitudes] = quad(b / 8);
            q = q.map(|code| {
                let v = (magnitudes >> (8 * (code & 3))) as u8 as i8;
                if code & 4 == 0 { v } else { -v }
            });
            let s = [low, high][b / 4 % 2] >> (8 * (b % 4));
            ([s, s >> 4].map(|s| f32::from_bits(d) * (2 * (s & 15) + 1) as f32), [0.0; 2])
        }
        TensorType::Q2_0 => {
            q = q.map(|code| code - 1);
            ([half(0, b / 2); 2], [0.0; 2])
        }
        TensorType::Q1_0 => {
            let d = half(0, b / 4);
            ([2.0 * d; 2], [-d; 2])
        }
        _ => panic!("{} has no packed form", kind.name()),
    };
    Packed { q, scale, offset }
}

/// Mirror of `load_block` of any type.
///
/// # Panics
/// Where the buffer has no block `b`.
pub fn load_block(kind: TensorType, words: &[u32], offsets: &[u64], b: usize) -> Block {
    let float = |v| Block { v, scale: [1.0; 2], offset: [0.0; 2] };
    match kind {
        TensorType::F32 => float(std::array::from_fn(|e| f32::from_bits(words[BLOCK * b + e]))),
        TensorType::F16 => float(std::array::from_fn(|e| halves(words[(BLOCK * b + e) / 2])[e % 2])),
        TensorType::BF16 => float(std::array::from_fn(|e| {
            let word = words[(BLOCK * b + e) / 2];
            bf16::from_bits((word >> (16 * (e % 2))) as u16).to_f32()
        })),
        _ => {
            let Packed { q, scale, offset } = load_packed(kind, words, offsets, b);
            Block { v: q.map(f32::from), scale, offset }
        }
    }
}

/// The weights of a packed buffer, from the first on, as many as `out` holds.
///
/// # Panics
/// Where the buffer holds fewer.
pub fn dequantize_packed(kind: TensorType, words: &[u32], offsets: &[u64], out: &mut [f32]) {
    for (b, out) in out.chunks_mut(BLOCK).enumerate() {
        let Block { v, scale, offset } = load_block(kind, words, offsets, b);
        for (e, w) in out.iter_mut().enumerate() {
            *w = scale[e / 16] * v[e] + offset[e / 16];
        }
    }
}

/// WGSL's `unpack2x16float`.
fn halves(word: u32) -> [f32; 2] {
    [word as u16, (word >> 16) as u16].map(|bits| f16::from_bits(bits).to_f32())
}

/// Mirror of `scale_pair` in `scales6.wgsl`.
fn scale_pair(words: [u32; 4], b: usize) -> [f32; 2] {
    let i = b % 8;
    let high = words[3] >> (2 * i);
    let first = words[1] >> (4 * i) & 15 | high << 4 & 0x30;
    let second = words[2] >> (4 * i) & 15 | high >> 12 & 0x30;
    [first as f32, second as f32]
}
