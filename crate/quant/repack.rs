//! File blocks → GPU planes (see `layout`), a piece of a tensor at a time.
//!
//! Runs over every byte of a model at load, so it works on words of four bytes.

use super::TensorType;
use super::dequantize::{q3_k_scales, q4_k_scales};
use super::layout::{Field, GpuLayout, UNIT, gpu_layout};
use half::f16;

/// The 32 weights of a block as the shader sees them: word j has the bytes of weights 4j..4j+3.
type Words = [u32; 8];

/// Appends the blocks of a whole number of units (256 weights) to each plane of `kind`.
///
/// The last piece of a tensor may end inside a unit: it is filled up with zeros. Bytes of an
/// incomplete block at the end are dropped. `planes` has one vector per `planes(kind)`; each must
/// be as the last call left it, or emptied.
pub fn repack(kind: TensorType, blocks: &[u8], planes: &mut [Vec<u8>]) {
    let layout = gpu_layout(kind);
    debug_assert_eq!(planes.len(), layout.planes.len());
    let blocks = &blocks[..blocks.len() - blocks.len() % kind.block_bytes()];
    let units = (blocks.len() / kind.block_bytes() * kind.block_len()).div_ceil(UNIT);
    for (plane, spec) in planes.iter_mut().zip(layout.planes) {
        plane.reserve(units * spec.bytes_per_unit);
    }
    if kind.is_quantized() {
        for block in blocks.chunks_exact(kind.block_bytes()) {
            repack_block(kind, &layout, block, planes);
        }
    } else {
        planes[0].extend_from_slice(blocks);
    }
    for (plane, spec) in planes.iter_mut().zip(layout.planes) {
        plane.resize(plane.len().next_multiple_of(spec.bytes_per_unit), 0);
    }
}

fn repack_block(kind: TensorType, layout: &GpuLayout, b: &[u8], planes: &mut [Vec<u8>]) {
    let (fields, scales) = planes.split_at_mut(layout.fields.len());
    for run in 0..kind.block_len() / 32 {
        let words = match kind {
            TensorType::Q4_0 => shift(flip(nibbles(&b[2..]), 0x08), 4),
            TensorType::Q4_1 => nibbles(&b[4..]),
            TensorType::Q5_0 => shift(flip(with_bits(nibbles(&b[6..]), &b[2..]), 0x10), 3),
            TensorType::Q5_1 => with_bits(nibbles(&b[8..]), &b[4..]),
            TensorType::Q8_0 => words(&b[2..]),
            TensorType::Q2_K => two_bits(&b[16..], run),
            TensorType::Q3_K => {
                let high = words(b).map(|w| !(w >> run) & 0x0101_0101);
                shift(join(two_bits(&b[32..], run), high, 2), 5)
            }
            TensorType::Q4_K => run_nibbles(&b[16..], run),
            TensorType::Q5_K => {
                let high = words(&b[16..]).map(|w| w >> run & 0x0101_0101);
                join(run_nibbles(&b[48..], run), high, 4)
            }
            TensorType::Q6_K => {
                // Runs 0, 1 are the low nibbles of 64 bytes, runs 2, 3 the high ones.
                let low = words(&b[64 * (run / 4) + 32 * (run % 2)..]).map(|w| w >> (4 * (run / 2 % 2)) & 0x0f0f_0f0f);
                shift(flip(join(low, two_bits(&b[128..], run), 4), 0x20), 2)
            }
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => return,
        };
        for (field, plane) in layout.fields.iter().zip(fields.iter_mut()) {
            push_field(*field, &words, plane);
        }
    }
    match kind {
        TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 => {
            scales[0].extend_from_slice(&b[..2]);
        }
        TensorType::Q4_1 | TensorType::Q5_1 => scales[0].extend_from_slice(&b[..4]),
        TensorType::Q2_K => {
            scales[0].extend_from_slice(&b[..16]);
            scales[1].extend_from_slice(&b[80..84]);
        }
        TensorType::Q3_K => {
            let pairs = q3_k_scales(&b[96..108]);
            let d = f16::from_le_bytes([b[108], b[109]]).to_f32();
            push_pairs(d.to_bits(), |i| (pairs[2 * i], pairs[2 * i + 1]), &mut scales[0]);
        }
        TensorType::Q4_K | TensorType::Q5_K => {
            let pairs = q4_k_scales(&b[4..16]);
            push_pairs(word(b, 0), |i| pairs[i], &mut scales[0]);
        }
        TensorType::Q6_K => {
            // Two blocks' scales share a word, the even block's in its upper half.
            for i in 0..4 {
                push([word(&b[192..], i).rotate_left(16)], &mut scales[0]);
            }
            scales[1].extend_from_slice(&b[208..210]);
        }
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => {}
    }
}

/// Cuts `field` out of each byte and packs the words of a block closely, as `layout` says.
fn push_field(field: Field, words: &Words, plane: &mut Vec<u8>) {
    let mask = (0xff >> (8 - field.bits)) * 0x0101_0101;
    let w = words.map(|w| w >> field.shift & mask);
    match field.bits {
        8 => push(w, plane),
        4 => push([0, 2, 4, 6].map(|j| w[j] | w[j + 1] << 4), plane),
        2 => push([0, 4].map(|j| w[j] | w[j + 1] << 2 | w[j + 2] << 4 | w[j + 3] << 6), plane),
        _ => push([(0..8).fold(0, |bits, j| bits | w[j] << j)], plane),
    }
}

fn push<const N: usize>(words: [u32; N], plane: &mut Vec<u8>) {
    plane.extend_from_slice(bytemuck::cast_slice(&words.map(u32::to_le)));
}

/// 16 bytes for a unit: `first`, then eight pairs of 6-bit scales as `scales6.wgsl` reads them.
fn push_pairs(first: u32, pair: impl Fn(usize) -> (u8, u8), plane: &mut Vec<u8>) {
    let mut words = [first, 0, 0, 0];
    for i in 0..8 {
        let (a, b) = pair(i);
        let (a, b) = (u32::from(a), u32::from(b));
        words[1] |= (a & 15) << (4 * i);
        words[2] |= (b & 15) << (4 * i);
        words[3] |= (a >> 4) << (2 * i) | (b >> 4) << (16 + 2 * i);
    }
    push(words, plane);
}

fn word(b: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]])
}

fn words(b: &[u8]) -> Words {
    std::array::from_fn(|i| word(b, i))
}

/// 16 bytes: low nibbles are weights 0..16, high ones 16..32.
fn nibbles(b: &[u8]) -> Words {
    std::array::from_fn(|i| word(b, i % 4) >> (4 * (i / 4)) & 0x0f0f_0f0f)
}

/// 32 bytes for every two runs: low nibbles are the even run, high ones the odd run.
fn run_nibbles(b: &[u8], run: usize) -> Words {
    words(&b[32 * (run / 2)..]).map(|w| w >> (4 * (run % 2)) & 0x0f0f_0f0f)
}

/// 32 bytes for every four runs, two bits each.
fn two_bits(b: &[u8], run: usize) -> Words {
    words(&b[32 * (run / 4)..]).map(|w| w >> (2 * (run % 4)) & 0x0303_0303)
}

/// Sets bit 4 of each weight's byte from the 32 bits in `b`, one a weight.
fn with_bits(low: Words, b: &[u8]) -> Words {
    let bits = word(b, 0);
    // The product puts copies at distance 7: bit k of the four lands at bit 8k.
    let high = std::array::from_fn(|i| (bits >> (4 * i) & 15).wrapping_mul(0x0020_4081) & 0x0101_0101);
    join(low, high, 4)
}

fn join(low: Words, high: Words, at: usize) -> Words {
    std::array::from_fn(|i| low[i] | high[i] << at)
}

/// Toggles the top bit of each code: unsigned with a bias becomes two's complement.
fn flip(words: Words, top: u32) -> Words {
    words.map(|w| w ^ (top * 0x0101_0101))
}

fn shift(words: Words, by: usize) -> Words {
    words.map(|w| w << by)
}
