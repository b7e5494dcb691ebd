//! Blocks as the file has them → f32. Plain loops: the truth that everything else is held to.
//!
//! Each function decodes one block. Layouts follow ggml's `block_*` structs; every product of an
//! f16 scale with its small integers is exact in f32, so the order of operations shows only in Q6_K.

use super::TensorType;
use half::{bf16, f16};

/// Decodes whole blocks of `kind` from `bytes` into `out`, both in file order.
///
/// Stops at the shorter of the two; an incomplete block at either end is left alone.
pub fn dequantize(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    let decode: fn(&[u8], &mut [f32]) = match kind {
        TensorType::F32 => |b, y| y[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        TensorType::F16 => |b, y| y[0] = half_at(b, 0),
        TensorType::BF16 => |b, y| y[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32(),
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
    };
    let blocks = bytes.chunks_exact(kind.block_bytes());
    for (block, y) in blocks.zip(out.chunks_exact_mut(kind.block_len())) {
        decode(block, y);
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
