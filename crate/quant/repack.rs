//! File blocks → GPU planes (see `layout`), a piece of a tensor at a time.
//!
//! Runs over every byte of a model at load, so it works on words of four bytes.

use super::TensorType;
use super::dequantize::{e4m3, e8m0, iq4_xs_scale, q3_k_scales, q4_k_scales, tq1_0_code};
use super::grids::{Points, points, table};
use super::layout::{Field, GpuLayout, UNIT, gpu_layout};
use half::{bf16, f16};

/// The 32 weights of a block as the shader sees them: word j has the bytes of weights 4j..4j+3.
type Words = [u32; 8];

/// Appends the blocks of a whole number of units (256 weights) to each plane of `kind`, which are those of the type that
/// it is stored as.
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
    let grid = is_on_a_grid(kind).then(|| points(kind, b));
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
            TensorType::IQ4_NL => nibbles(&b[2..]),
            TensorType::IQ4_XS => nibbles(&b[8 + 16 * run..]),
            TensorType::MXFP4 => nibbles(&b[1..]),
            // Two times 16 weights, whose first 8 are the low nibbles of 8 bytes.
            TensorType::NVFP4 => std::array::from_fn(|j| {
                word(&b[4 + 16 * run + 8 * (j / 4)..], j % 2) >> (4 * (j / 2 % 2)) & 0x0f0f_0f0f
            }),
            TensorType::Q1_0 => with_bits([0; 8], &b[2 + 4 * run..]).map(|w| w >> 4),
            TensorType::Q2_0 => {
                std::array::from_fn(|j| (0..4).fold(0, |w, i| w | two_of(b[2 + 8 * run + j], i) << (8 * i)))
            }
            TensorType::TQ1_0 => codes(|i| tq1_0_code(b, 32 * run + i)),
            TensorType::TQ2_0 => two_bits(b, run),
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => return,
            _ => codes(|i| grid.as_ref().map_or(0, |points| points.codes[32 * run + i])),
        };
        for (field, plane) in layout.fields.iter().zip(fields.iter_mut()) {
            push_field(*field, &words, plane);
        }
    }
    repack_scales(kind, b, grid.as_ref(), scales);
}

fn repack_scales(kind: TensorType, b: &[u8], grid: Option<&Points>, scales: &mut [Vec<u8>]) {
    match kind {
        TensorType::Q4_0
        | TensorType::Q5_0
        | TensorType::Q8_0
        | TensorType::IQ4_NL
        | TensorType::Q1_0
        | TensorType::Q2_0 => scales[0].extend_from_slice(&b[..2]),
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
        TensorType::IQ4_XS => {
            scales[0].extend((0..8).map(|run| iq4_xs_scale(b, run)));
            scales[1].extend_from_slice(&b[..2]);
        }
        TensorType::MXFP4 => scales[0].extend([e8m0(b[0]); 2].iter().flat_map(|d| d.to_le_bytes())),
        TensorType::NVFP4 => scales[0].extend(b[..4].iter().flat_map(|&d| bf16::from_f32(e4m3(d)).to_le_bytes())),
        TensorType::TQ1_0 => scales[0].extend([b[52], b[53]].repeat(4)),
        TensorType::TQ2_0 => scales[0].extend([b[64], b[65]].repeat(4)),
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => {}
        _ => {
            if let Some(points) = grid {
                grid_scales(kind, b, points, scales);
            }
        }
    }
}

fn is_on_a_grid(kind: TensorType) -> bool {
    kind.stored() == TensorType::IQ2_S || kind.stored() == TensorType::IQ4_XS && kind != TensorType::IQ4_XS
}

/// The scales of a unit of [`points`]. In IQ4_XS's planes the upper two bits of a scale say whose table it is; in IQ2_S's
/// the table's magnitudes are there themselves.
fn grid_scales(kind: TensorType, b: &[u8], points: &Points, scales: &mut [Vec<u8>]) {
    let pairs = points.scales.as_chunks::<2>().0;
    if kind.stored() == TensorType::IQ4_XS {
        let book = if kind == TensorType::IQ3_S { 1 << 6 } else { 2 << 6 };
        scales[0].extend(pairs.iter().map(|[scale, _]| book | (2 * scale + 1 + 32)));
        scales[1].extend_from_slice(&b[..2]);
        return;
    }
    push([points.d.to_bits()], &mut scales[0]);
    scales[0].extend(pairs.iter().map(|[low, high]| low | high << 4));
    scales[0].extend(table(kind)[..4].iter().map(|&magnitude| magnitude as u8));
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

/// Bits 2i and 2i + 1.
fn two_of(byte: u8, i: usize) -> u32 {
    u32::from(byte >> (2 * i) & 3)
}

/// The 32 codes of a run, each in its byte.
fn codes(code: impl Fn(usize) -> u8) -> Words {
    words(&std::array::from_fn::<u8, 32, _>(code))
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
