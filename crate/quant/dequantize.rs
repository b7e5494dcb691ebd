//! Blocks as the file has them → f32. Plain loops: the truth that everything else is held to.
//!
//! Each function decodes one block. Layouts follow ggml's `block_*` structs; every product of an
//! f16 scale with its small integers is exact in f32, so the order of operations shows only in Q6_K.

use super::TensorType;
use super::grids::{FP4, IQ4, points, table};
use half::{bf16, f16};

/// Decodes whole blocks of `kind` from `bytes` into `out`, both in file order.
///
/// Stops at the shorter of the two; an incomplete block at either end is left alone.
pub fn dequantize(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    let decode: fn(&[u8], &mut [f32]) = match kind {
        TensorType::F32 => return floats(bytes, out, f32::from_le_bytes),
        TensorType::F16 => return floats(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
        TensorType::BF16 => return floats(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        TensorType::Q4_0 => q4_0,
        TensorType::Q4_1 => q4_1,
        TensorType::Q5_0 => q5_0,
        TensorType::Q5_1 => q5_1,
        TensorType::Q8_0 => q8_0,
        TensorType::Q2_K => q2_k,
        TensorType::Q3_K => q3_k,
        TensorType::Q4_K => q4_k,
        TensorType::Q5_K => q5_k,
        TensorType::Q6_K => q6_k,
        TensorType::IQ4_NL => iq4_nl,
        TensorType::IQ4_XS => iq4_xs,
        TensorType::MXFP4 => mxfp4,
        TensorType::NVFP4 => nvfp4,
        TensorType::Q1_0 => q1_0,
        TensorType::Q2_0 => q2_0,
        TensorType::TQ1_0 => tq1_0,
        TensorType::TQ2_0 => tq2_0,
        TensorType::IQ3_S
        | TensorType::IQ3_XXS
        | TensorType::IQ2_S
        | TensorType::IQ2_XS
        | TensorType::IQ2_XXS
        | TensorType::IQ1_S
        | TensorType::IQ1_M => return on_a_grid(kind, bytes, out),
    };
    let blocks = bytes.chunks_exact(kind.block_bytes());
    for (block, y) in blocks.zip(out.chunks_exact_mut(kind.block_len())) {
        decode(block, y);
    }
}

/// Weights that are no blocks: a loop of its own for each type, since a call for each weight takes longer than the rest.
fn floats<const N: usize>(bytes: &[u8], out: &mut [f32], float: impl Fn([u8; N]) -> f32) {
    for (bytes, y) in bytes.as_chunks().0.iter().zip(out) {
        *y = float(*bytes);
    }
}

fn half_at(b: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([b[at], b[at + 1]]).to_f32()
}

/// d f16 · 16 bytes: low nibbles are weights 0..16, high ones 16..32. w = d·(q − 8)
fn q4_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for i in 0..16 {
        y[i] = d * (f32::from(b[2 + i] & 15) - 8.0);
        y[i + 16] = d * (f32::from(b[2 + i] >> 4) - 8.0);
    }
}

/// d, m f16 · 16 bytes as Q4_0. w = d·q + m
fn q4_1(b: &[u8], y: &mut [f32]) {
    let (d, m) = (half_at(b, 0), half_at(b, 2));
    for i in 0..16 {
        y[i] = d * f32::from(b[4 + i] & 15) + m;
        y[i + 16] = d * f32::from(b[4 + i] >> 4) + m;
    }
}

/// The fifth bit of weight `i`, in place: bit `i` of the little-endian word at `at`.
fn fifth_bit(b: &[u8], at: usize, i: usize) -> u8 {
    (b[at + i / 8] >> (i % 8) & 1) << 4
}

/// d f16 · 32 fifth bits · 16 bytes as Q4_0. w = d·(q − 16)
fn q5_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for i in 0..16 {
        let low = b[6 + i] & 15 | fifth_bit(b, 2, i);
        let high = b[6 + i] >> 4 | fifth_bit(b, 2, i + 16);
        y[i] = d * (f32::from(low) - 16.0);
        y[i + 16] = d * (f32::from(high) - 16.0);
    }
}

/// d, m f16 · 32 fifth bits · 16 bytes as Q4_0. w = d·q + m
fn q5_1(b: &[u8], y: &mut [f32]) {
    let (d, m) = (half_at(b, 0), half_at(b, 2));
    for i in 0..16 {
        let low = b[8 + i] & 15 | fifth_bit(b, 4, i);
        let high = b[8 + i] >> 4 | fifth_bit(b, 4, i + 16);
        y[i] = d * f32::from(low) + m;
        y[i + 16] = d * f32::from(high) + m;
    }
}

/// d f16 · 32 signed bytes. w = d·q
fn q8_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for i in 0..32 {
        y[i] = d * f32::from(b[2 + i] as i8);
    }
}

/// 16 bytes (scale, min nibbles of 16 weights each) · 64 bytes of 2-bit weights · d, dmin f16.
/// Each half of 128 weights takes 32 bytes, its runs of 32 weights two bits each.
/// w = d·scale·q − dmin·min
fn q2_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (half_at(b, 80), half_at(b, 82));
    for (i, y) in y.iter_mut().enumerate() {
        let (half, run, lane) = (i / 128, i / 32 % 4, i % 32);
        let q = b[16 + 32 * half + lane] >> (2 * run) & 3;
        let scale = b[i / 16];
        *y = d * f32::from(scale & 15) * f32::from(q) - dmin * f32::from(scale >> 4);
    }
}

/// 32 bytes of third bits (set: do not subtract 4) · 64 bytes as Q2_K · 12 bytes of 6-bit scales · d f16.
/// w = d·(scale − 32)·(q − 4)
fn q3_k(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 108);
    let scales = q3_k_scales(&b[96..108]);
    for (i, y) in y.iter_mut().enumerate() {
        let (half, run, lane) = (i / 128, i / 32 % 4, i % 32);
        let low = b[32 + 32 * half + lane] >> (2 * run) & 3;
        let high = b[lane] >> (4 * half + run) & 1;
        let scale = f32::from(scales[i / 16]) - 32.0;
        *y = d * scale * (f32::from(low | high << 2) - 4.0);
    }
}

/// The 16 scales of Q3_K: low nibbles in the first 8 bytes, high bit pairs in the last 4.
pub(super) fn q3_k_scales(s: &[u8]) -> [u8; 16] {
    std::array::from_fn(|k| {
        let low = s[k % 8] >> (4 * (k / 8)) & 15;
        let high = s[8 + k % 4] >> (2 * (k / 4)) & 3;
        low | high << 4
    })
}

/// d, dmin f16 · 12 bytes of scales · 128 bytes: each 32 of them hold 32 weights in their low
/// nibbles and the next 32 in the high ones. w = d·scale·q − dmin·min
fn q4_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    let scales = q4_k_scales(&b[4..16]);
    for (i, y) in y.iter_mut().enumerate() {
        let (run, lane) = (i / 32, i % 32);
        let q = b[16 + 32 * (run / 2) + lane] >> (4 * (run % 2)) & 15;
        let (scale, min) = scales[run];
        *y = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

/// The 8 (scale, min) pairs of Q4_K and Q5_K, 6 bits each: runs 0..4 whole in 8 bytes, whose upper
/// two bits complete the nibbles that runs 4..8 have in the last 4.
pub(super) fn q4_k_scales(s: &[u8]) -> [(u8, u8); 8] {
    std::array::from_fn(|k| {
        if k < 4 {
            (s[k] & 63, s[k + 4] & 63)
        } else {
            (s[k + 4] & 15 | s[k - 4] >> 6 << 4, s[k + 4] >> 4 | s[k] >> 6 << 4)
        }
    })
}

/// Q4_K with 32 bytes of fifth bits (bit r of byte l: weight l of run r) before the nibbles.
fn q5_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    let scales = q4_k_scales(&b[4..16]);
    for (i, y) in y.iter_mut().enumerate() {
        let (run, lane) = (i / 32, i % 32);
        let low = b[48 + 32 * (run / 2) + lane] >> (4 * (run % 2)) & 15;
        let high = b[16 + lane] >> run & 1;
        let (scale, min) = scales[run];
        *y = d * f32::from(scale) * f32::from(low | high << 4) - dmin * f32::from(min);
    }
}

/// 128 bytes of low nibbles · 64 bytes of high bit pairs · 16 signed scales · d f16.
/// A half of 128 weights takes 64 nibble bytes: runs 0, 1 in the low nibbles, runs 2, 3 in the high
/// ones. w = d·scale·(q − 32)
fn q6_k(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 208);
    for (i, y) in y.iter_mut().enumerate() {
        let (half, run, lane) = (i / 128, i / 32 % 4, i % 32);
        let low = b[64 * half + 32 * (run % 2) + lane] >> (4 * (run / 2)) & 15;
        let high = b[128 + 32 * half + lane] >> (2 * run) & 3;
        let scale = b[192 + i / 16] as i8;
        *y = d * f32::from(scale) * (f32::from(low | high << 4) - 32.0);
    }
}

/// d f16 · 16 bytes as Q4_0. w = d·value of the code
fn iq4_nl(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    coded(&IQ4, &b[2..], d, y);
}

/// d f16 · 8 times the high 2 bits of a scale · 8 times their low 4 · 128 bytes, 16 as Q4_0 for each 32 weights.
/// w = d·(scale − 32)·value of the code
fn iq4_xs(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for (run, y) in y.chunks_exact_mut(32).enumerate() {
        let scale = d * (f32::from(iq4_xs_scale(b, run)) - 32.0);
        coded(&IQ4, &b[8 + 16 * run..], scale, y);
    }
}

/// The scale of 6 bits of 32 weights.
pub(super) fn iq4_xs_scale(b: &[u8], run: usize) -> u8 {
    b[4 + run / 2] >> (4 * (run % 2)) & 15 | (b[2 + run / 4] >> (2 * (run % 4)) & 3) << 4
}

/// An exponent, E8M0 · 16 bytes as Q4_0. w = 2^(exponent − 128)·twice the float
fn mxfp4(b: &[u8], y: &mut [f32]) {
    let d = bf16::from_bits(e8m0(b[0])).to_f32();
    coded(&FP4, &b[1..], d, y);
}

/// 2^(exponent − 128) as the bits of a BF16; the two lowest are no normal numbers.
pub(super) fn e8m0(exponent: u8) -> u16 {
    match exponent {
        0 | 1 => 0x20 << exponent,
        _ => u16::from(exponent - 1) << 7,
    }
}

/// 4 scales, E4M3 without a sign · 32 bytes, 8 for each 16 weights: low nibbles are the first 8. w = scale / 2·twice the float
fn nvfp4(b: &[u8], y: &mut [f32]) {
    for (i, y) in y.chunks_exact_mut(16).enumerate() {
        let d = e4m3(b[i]);
        for e in 0..8 {
            let q = b[4 + 8 * i + e];
            y[e] = d * f32::from(FP4[usize::from(q & 15)]);
            y[e + 8] = d * f32::from(FP4[usize::from(q >> 4)]);
        }
    }
}

/// Half of an E4M3. That which would be none, 127, is 0, as in ggml.
pub(super) fn e4m3(v: u8) -> f32 {
    let (exponent, mantissa) = (v >> 3 & 15, v & 7);
    match (v, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => f32::from(mantissa) / 1024.0,
        _ => f32::from(8 + mantissa) * f32::from_bits((u32::from(exponent) + 127 - 7 - 4) << 23),
    }
}

/// d f16 · 128 bits. w = d where the bit is set, else −d
fn q1_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for (i, y) in y.iter_mut().enumerate() {
        *y = if b[2 + i / 8] >> (i % 8) & 1 == 1 { d } else { -d };
    }
}

/// d f16 · 16 bytes of four weights each. w = d·(q − 1)
fn q2_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for (i, y) in y.iter_mut().enumerate() {
        *y = d * (f32::from(b[2 + i / 4] >> (2 * (i % 4)) & 3) - 1.0);
    }
}

/// 64 bytes as Q2_K · d f16. w = d·(q − 1)
fn tq2_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 64);
    for (i, y) in y.iter_mut().enumerate() {
        let q = b[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4)) & 3;
        *y = d * (f32::from(q) - 1.0);
    }
}

/// 52 bytes of base-3 numbers · d f16. w = d·(q − 1)
fn tq1_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 52);
    for (i, y) in y.iter_mut().enumerate() {
        *y = d * (f32::from(tq1_0_code(b, i)) - 1.0);
    }
}

/// Weight i of TQ1_0, 0 to 2. Runs of 32 bytes, of 16 and of 4 hold five times as many weights, the last four times: the
/// first digits of all come first. A byte is a fraction of 256 whose digits behind the point, in base 3, are the weights.
pub(super) fn tq1_0_code(b: &[u8], i: usize) -> u8 {
    let (first, width, i) = match i {
        0..160 => (0, 32, i),
        160..240 => (32, 16, i - 160),
        _ => (48, 4, i - 240),
    };
    let rest = b[first + i % width].wrapping_mul([1, 3, 9, 27, 81][i / width]);
    ((u16::from(rest) * 3) >> 8) as u8
}

/// 16 bytes: low nibbles are weights 0..16, high ones 16..32, as codes.
fn coded(values: &[i8; 16], b: &[u8], scale: f32, y: &mut [f32]) {
    for i in 0..16 {
        y[i] = scale * f32::from(values[usize::from(b[i] & 15)]);
        y[i + 16] = scale * f32::from(values[usize::from(b[i] >> 4)]);
    }
}

/// Blocks of a type with a grid.
fn on_a_grid(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    let values = table(kind);
    for (block, y) in bytes.chunks_exact(kind.block_bytes()).zip(out.chunks_exact_mut(256)) {
        let points = points(kind, block);
        for (i, y) in y.iter_mut().enumerate() {
            let scale = points.d * f32::from(2 * points.scales[i / 16] + 1);
            *y = scale * f32::from(values[usize::from(points.codes[i])]);
        }
    }
}
