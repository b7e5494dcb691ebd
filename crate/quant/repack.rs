//! File blocks → GPU planes (see `layout`), a piece of a tensor at a time.
//!
//! Runs over every byte of a model at load, so it works on words of four bytes.

use super::TensorType;
use super::dequantize::{e4m3, e8m0, iq4_xs_scale, q3_k_scales, q4_k_scales, tq1_0_code};
use super::grids::{Points, points, table};
use super::layout::{Field, UNIT, gpu_layout};
use half::{bf16, f16};

/// The 32 weights of a block as the shader sees them: word j has the bytes of weights 4j..4j+3.
type Words = [u32; 8];

/// Runs of 32 weights that are taken apart at a time: what they become stays in the processor's nearest cache.
const BATCH: usize = 64;

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
        let runs = kind.block_len() / 32;
        let (fields, scales) = planes.split_at_mut(layout.fields.len());
        let mut words = [[0; 8]; BATCH];
        for blocks in blocks.chunks(BATCH / runs * kind.block_bytes()) {
            let words = &mut words[..blocks.len() / kind.block_bytes() * runs];
            if is_on_a_grid(kind) {
                push_points(kind, blocks, words, scales);
            } else {
                read_codes(kind, blocks, words);
                push_scales(kind, blocks, scales);
            }
            for (field, plane) in layout.fields.iter().zip(fields.iter_mut()) {
                push_field(*field, words, plane);
            }
        }
    } else {
        planes[0].extend_from_slice(blocks);
    }
    for (plane, spec) in planes.iter_mut().zip(layout.planes) {
        plane.resize(plane.len().next_multiple_of(spec.bytes_per_unit), 0);
    }
}

/// The weights of `blocks` as small integers, 32 in each of `words`.
fn read_codes(kind: TensorType, blocks: &[u8], words: &mut [Words]) {
    match kind {
        TensorType::Q4_0 => each::<18, 1>(blocks, words, |b, _| shift(flip(nibbles(&b[2..]), 0x08), 4)),
        TensorType::Q4_1 => each::<20, 1>(blocks, words, |b, _| nibbles(&b[4..])),
        TensorType::Q5_0 => {
            each::<22, 1>(blocks, words, |b, _| shift(flip(with_bits(nibbles(&b[6..]), &b[2..]), 0x10), 3));
        }
        TensorType::Q5_1 => each::<24, 1>(blocks, words, |b, _| with_bits(nibbles(&b[8..]), &b[4..])),
        TensorType::Q8_0 => each::<34, 1>(blocks, words, |b, _| read_words(&b[2..])),
        TensorType::Q2_K => each::<84, 8>(blocks, words, |b, run| two_bits(&b[16..], run)),
        TensorType::Q3_K => each::<110, 8>(blocks, words, |b, run| {
            let high = read_words(b).map(|w| !(w >> run) & 0x0101_0101);
            shift(join(two_bits(&b[32..], run), high, 2), 5)
        }),
        TensorType::Q4_K => each::<144, 8>(blocks, words, |b, run| run_nibbles(&b[16..], run)),
        TensorType::Q5_K => each::<176, 8>(blocks, words, |b, run| {
            let high = read_words(&b[16..]).map(|w| w >> run & 0x0101_0101);
            join(run_nibbles(&b[48..], run), high, 4)
        }),
        TensorType::Q6_K => each::<210, 8>(blocks, words, |b, run| {
            // Runs 0, 1 are the low nibbles of 64 bytes, runs 2, 3 the high ones.
            let low = read_words(&b[64 * (run / 4) + 32 * (run % 2)..]);
            let low = low.map(|w| w >> (4 * (run / 2 % 2)) & 0x0f0f_0f0f);
            shift(flip(join(low, two_bits(&b[128..], run), 4), 0x20), 2)
        }),
        TensorType::IQ4_NL => each::<18, 1>(blocks, words, |b, _| nibbles(&b[2..])),
        TensorType::IQ4_XS => each::<136, 8>(blocks, words, |b, run| nibbles(&b[8 + 16 * run..])),
        TensorType::MXFP4 => each::<17, 1>(blocks, words, |b, _| nibbles(&b[1..])),
        // Two times 16 weights, whose first 8 are the low nibbles of 8 bytes.
        TensorType::NVFP4 => each::<36, 2>(blocks, words, |b, run| {
            std::array::from_fn(|j| word(&b[4 + 16 * run + 8 * (j / 4)..], j % 2) >> (4 * (j / 2 % 2)) & 0x0f0f_0f0f)
        }),
        TensorType::Q1_0 => {
            each::<18, 4>(blocks, words, |b, run| with_bits([0; 8], &b[2 + 4 * run..]).map(|w| w >> 4));
        }
        TensorType::Q2_0 => each::<18, 2>(blocks, words, |b, run| {
            std::array::from_fn(|j| (0..4).fold(0, |w, i| w | two_of(b[2 + 8 * run + j], i) << (8 * i)))
        }),
        TensorType::TQ1_0 => each::<54, 8>(blocks, words, |b, run| codes(|i| tq1_0_code(b, 32 * run + i))),
        TensorType::TQ2_0 => each::<66, 8>(blocks, words, |b, run| two_bits(b, run)),
        other => unreachable!("{other:?} has no codes of its own"),
    }
}

/// Scales that stand in a block as the shaders read them, or nearly so.
fn push_scales(kind: TensorType, blocks: &[u8], planes: &mut [Vec<u8>]) {
    match kind {
        TensorType::Q4_0 | TensorType::IQ4_NL | TensorType::Q1_0 | TensorType::Q2_0 => {
            push_each::<18, 2>(blocks, &mut planes[0], |b| [b[0], b[1]]);
        }
        TensorType::Q5_0 => push_each::<22, 2>(blocks, &mut planes[0], |b| [b[0], b[1]]),
        TensorType::Q8_0 => push_each::<34, 2>(blocks, &mut planes[0], |b| [b[0], b[1]]),
        TensorType::Q4_1 => push_each::<20, 4>(blocks, &mut planes[0], |b| cut(b, 0)),
        TensorType::Q5_1 => push_each::<24, 4>(blocks, &mut planes[0], |b| cut(b, 0)),
        TensorType::Q2_K => {
            push_each::<84, 16>(blocks, &mut planes[0], |b| cut(b, 0));
            push_each::<84, 4>(blocks, &mut planes[1], |b| cut(b, 80));
        }
        TensorType::Q3_K => push_each::<110, 16>(blocks, &mut planes[0], |b| {
            let scales = q3_k_scales(&b[96..108]);
            let d = f16::from_le_bytes([b[108], b[109]]).to_f32();
            pairs(d.to_bits(), |i| (scales[2 * i], scales[2 * i + 1]))
        }),
        TensorType::Q4_K => push_each::<144, 16>(blocks, &mut planes[0], |b| scales_and_minima(b)),
        TensorType::Q5_K => push_each::<176, 16>(blocks, &mut planes[0], |b| scales_and_minima(b)),
        TensorType::Q6_K => {
            // Two blocks' scales share a word, the even block's in its upper half.
            push_each::<210, 16>(blocks, &mut planes[0], |b| {
                bytes([0, 1, 2, 3].map(|i| word(&b[192..], i).rotate_left(16)))
            });
            push_each::<210, 2>(blocks, &mut planes[1], |b| cut(b, 208));
        }
        TensorType::IQ4_XS => {
            push_each::<136, 8>(blocks, &mut planes[0], |b| std::array::from_fn(|run| iq4_xs_scale(b, run)));
            push_each::<136, 2>(blocks, &mut planes[1], |b| cut(b, 0));
        }
        TensorType::MXFP4 => push_each::<17, 4>(blocks, &mut planes[0], |b| repeated(e8m0(b[0]).to_le_bytes())),
        TensorType::NVFP4 => push_each::<36, 8>(blocks, &mut planes[0], |b| {
            bytemuck::cast([0, 1, 2, 3].map(|i| bf16::from_f32(e4m3(b[i])).to_le_bytes()))
        }),
        TensorType::TQ1_0 => push_each::<54, 8>(blocks, &mut planes[0], |b| repeated(cut::<2>(b, 52))),
        TensorType::TQ2_0 => push_each::<66, 8>(blocks, &mut planes[0], |b| repeated(cut::<2>(b, 64))),
        other => unreachable!("{other:?} has no scales of its own"),
    }
}

/// Calls `code` for each run of 32 weights of blocks that take `BYTES` bytes and hold `RUNS` runs.
fn each<const BYTES: usize, const RUNS: usize>(
    blocks: &[u8],
    words: &mut [Words],
    code: impl Fn(&[u8; BYTES], usize) -> Words,
) {
    for (block, words) in blocks.as_chunks().0.iter().zip(words.as_chunks_mut::<RUNS>().0) {
        for (run, words) in words.iter_mut().enumerate() {
            *words = code(block, run);
        }
    }
}

/// Appends `N` bytes for each block of `BYTES`.
fn push_each<const BYTES: usize, const N: usize>(
    blocks: &[u8],
    plane: &mut Vec<u8>,
    made: impl Fn(&[u8; BYTES]) -> [u8; N],
) {
    let (start, blocks) = (plane.len(), blocks.as_chunks().0);
    plane.resize(start + blocks.len() * N, 0);
    for (block, to) in blocks.iter().zip(plane[start..].as_chunks_mut().0) {
        *to = made(block);
    }
}

fn is_on_a_grid(kind: TensorType) -> bool {
    kind.stored() == TensorType::IQ2_S || kind.stored() == TensorType::IQ4_XS && kind != TensorType::IQ4_XS
}

/// Codes and scales of the types whose blocks are points of a grid: both come from the same look into its table.
fn push_points(kind: TensorType, blocks: &[u8], words: &mut [Words], scales: &mut [Vec<u8>]) {
    for (block, words) in blocks.chunks_exact(kind.block_bytes()).zip(words.as_chunks_mut::<8>().0) {
        let points = points(kind, block);
        for (run, words) in words.iter_mut().enumerate() {
            *words = codes(|i| points.codes[32 * run + i]);
        }
        grid_scales(kind, block, &points, scales);
    }
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
    scales[0].extend_from_slice(&points.d.to_bits().to_le_bytes());
    scales[0].extend(pairs.iter().map(|[low, high]| low | high << 4));
    scales[0].extend(table(kind)[..4].iter().map(|&magnitude| magnitude as u8));
}

/// Cuts `field` out of each byte and packs the words of the blocks closely, as `layout` says.
fn push_field(field: Field, words: &[Words], plane: &mut Vec<u8>) {
    let mask = (0xff >> (8 - field.bits)) * 0x0101_0101;
    let cut = |words: &Words| words.map(|w| w >> field.shift & mask);
    match field.bits {
        8 => push(words, plane, cut),
        4 => push(words, plane, |w| packed::<2, 4>(cut(w))),
        2 => push(words, plane, |w| packed::<4, 2>(cut(w))),
        _ => push(words, plane, |w| packed::<8, 1>(cut(w))),
    }
}

/// `EACH` words, whose bytes have `8 / EACH` bits, in the place of one.
fn packed<const EACH: usize, const N: usize>(words: Words) -> [u32; N] {
    std::array::from_fn(|i| (0..EACH).fold(0, |bits, j| bits | words[EACH * i + j] << (8 / EACH * j)))
}

/// Appends `N` words for each of `words`.
fn push<const N: usize>(words: &[Words], plane: &mut Vec<u8>, made: impl Fn(&Words) -> [u32; N]) {
    let start = plane.len();
    plane.resize(start + words.len() * 4 * N, 0);
    for (words, to) in words.iter().zip(plane[start..].chunks_exact_mut(4 * N)) {
        to.copy_from_slice(bytemuck::cast_slice(&made(words).map(u32::to_le)));
    }
}

/// The 16 bytes of a unit whose f16 pair of factors come first, then scales and minima, as in Q4_K.
fn scales_and_minima(b: &[u8]) -> [u8; 16] {
    let scales = q4_k_scales(&b[4..16]);
    pairs(word(b, 0), |i| scales[i])
}

/// 16 bytes for a unit: `first`, then eight pairs of 6-bit scales as `scales6.wgsl` reads them.
fn pairs(first: u32, pair: impl Fn(usize) -> (u8, u8)) -> [u8; 16] {
    let mut words = [first, 0, 0, 0];
    for i in 0..8 {
        let (a, b) = pair(i);
        let (a, b) = (u32::from(a), u32::from(b));
        words[1] |= (a & 15) << (4 * i);
        words[2] |= (b & 15) << (4 * i);
        words[3] |= (a >> 4) << (2 * i) | (b >> 4) << (16 + 2 * i);
    }
    bytes(words)
}

/// As the device, and so WebAssembly, has them.
fn bytes(words: [u32; 4]) -> [u8; 16] {
    bytemuck::cast(words.map(u32::to_le))
}

/// `N` bytes from `at`.
fn cut<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| b[at + i])
}

/// The same bytes behind themselves, as often as there is room.
fn repeated<const N: usize, const ALL: usize>(b: [u8; N]) -> [u8; ALL] {
    std::array::from_fn(|i| b[i % N])
}

fn word(b: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]])
}

fn read_words(b: &[u8]) -> Words {
    std::array::from_fn(|i| word(b, i))
}

/// 16 bytes: low nibbles are weights 0..16, high ones 16..32.
fn nibbles(b: &[u8]) -> Words {
    std::array::from_fn(|i| word(b, i % 4) >> (4 * (i / 4)) & 0x0f0f_0f0f)
}

/// 32 bytes for every two runs: low nibbles are the even run, high ones the odd run.
fn run_nibbles(b: &[u8], run: usize) -> Words {
    read_words(&b[32 * (run / 2)..]).map(|w| w >> (4 * (run % 2)) & 0x0f0f_0f0f)
}

/// 32 bytes for every four runs, two bits each.
fn two_bits(b: &[u8], run: usize) -> Words {
    read_words(&b[32 * (run / 4)..]).map(|w| w >> (2 * (run % 4)) & 0x0303_0303)
}

/// Bits 2i and 2i + 1.
fn two_of(byte: u8, i: usize) -> u32 {
    u32::from(byte >> (2 * i) & 3)
}

/// The 32 codes of a run, each in its byte.
fn codes(code: impl Fn(usize) -> u8) -> Words {
    read_words(&std::array::from_fn::<u8, 32, _>(code))
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
