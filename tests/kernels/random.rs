//! Seeded inputs: the same on every machine.

use std::ops::Range;

use sotto::kernels::table::choices::Kv;
use sotto::quant::{self, TensorType};

use crate::case::POISON;
use crate::cells::place;

/// SplitMix64 (Steele, Lea & Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.unit() * scale).collect()
    }

    /// Blocks of a file: every bit random but the scales, which are numbers of a model's size.
    pub fn blocks(&mut self, kind: TensorType, elements: usize) -> Vec<u8> {
        let count = elements.div_ceil(kind.block_len());
        let mut bytes: Vec<u8> = (0..count * kind.block_bytes()).map(|_| self.next() as u8).collect();
        let (scales, at): (&[usize], f32) = match kind {
            TensorType::F32 => {
                let values = self.floats(count, 0.5);
                return bytemuck::cast_slice(&values).to_vec();
            }
            TensorType::F16 => {
                let values = self.floats(count, 0.5).into_iter();
                return values.flat_map(|v| half::f16::from_f32(v).to_le_bytes()).collect();
            }
            TensorType::BF16 => {
                let values = self.floats(count, 0.5).into_iter();
                return values.flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect();
            }
            TensorType::Q4_0 | TensorType::Q5_0 | TensorType::IQ1_S => (&[0], 0.03),
            TensorType::Q8_0 | TensorType::IQ4_NL | TensorType::IQ2_S => (&[0], 0.004),
            TensorType::Q4_1 | TensorType::Q5_1 => (&[0, 2], 0.03),
            TensorType::Q2_K => (&[80, 82], 0.01),
            TensorType::Q3_K => (&[108], 0.004),
            TensorType::Q4_K | TensorType::Q5_K => (&[0, 2], 0.0008),
            TensorType::Q6_K => (&[208], 0.0002),
            TensorType::IQ4_XS => (&[0], 0.0002),
            TensorType::IQ3_S | TensorType::IQ3_XXS => (&[0], 0.002),
            TensorType::Q1_0 | TensorType::Q2_0 => (&[0], 0.25),
            TensorType::MXFP4 => {
                bytes.iter_mut().step_by(kind.block_bytes()).for_each(|exponent| *exponent = 122 + (*exponent & 3));
                return bytes;
            }
            other => unreachable!("{other:?} has the planes of another type"),
        };
        for block in bytes.chunks_exact_mut(kind.block_bytes()) {
            for &offset in scales {
                let scale = half::f16::from_f32(at * (1.0 + 0.5 * self.unit()));
                block[offset..offset + 2].copy_from_slice(&scale.to_le_bytes());
            }
        }
        bytes
    }
}

/// A weight part as the loader lays it out, with room for `slack` more weights between its planes.
pub struct Part {
    /// The file's blocks.
    pub blocks: Vec<u8>,
    pub words: Vec<u32>,
    pub planes: [u32; 4],
}

pub fn part(random: &mut Random, kind: TensorType, elements: usize, slack: usize) -> Part {
    // Whole units, so that the last one has no padding of a kind that a kernel could rely on.
    let blocks = random.blocks(kind, elements.next_multiple_of(quant::UNIT));
    let mut packed = vec![Vec::new(); quant::planes(kind).len()];
    quant::repack(kind, &blocks, &mut packed);
    let (offsets, total) = quant::plane_offsets(kind, (elements + slack) as u64);
    let mut bytes = vec![0u8; total as usize];
    let mut planes = [0; 4];
    for (i, (plane, &offset)) in packed.iter().zip(&offsets).enumerate() {
        bytes[offset as usize..][..plane.len()].copy_from_slice(plane);
        planes[i] = (offset / 4) as u32;
    }
    Part { blocks, words: bytemuck::pod_collect_to_vec(&bytes), planes }
}

/// What an output holds before anything writes it.
pub fn poison(count: usize) -> Vec<u32> {
    vec![POISON; count]
}

/// An output of [m][stride] before a product runs: poison, but numbers to `size` in the columns that it adds to.
pub fn output(random: &mut Random, m: u32, stride: u32, added: Range<u32>, size: f32) -> Vec<u32> {
    let mut out = poison((m * stride) as usize);
    for row in out.chunks_exact_mut(stride as usize) {
        let part = &mut row[added.start as usize..added.end as usize];
        part.iter_mut().for_each(|w| *w = (size * random.unit()).to_bits());
    }
    out
}

/// Keys or values, [cells][heads][head_dim], and some room: numbers in the cells of these positions of sequences, poison in all
/// others.
pub fn cache(random: &mut Random, kv: Kv, heads: u32, head_dim: u32, seen: &[(u32, Range<u32>)]) -> Vec<u32> {
    let head = kv.words(head_dim as usize);
    let words = |cell: u32| (cell * heads) as usize * head;
    let cells = || seen.iter().flat_map(|(first, positions)| positions.clone().map(|position| place(*first, position)));
    // The next position's cell is there too.
    let last = seen.iter().map(|(first, positions)| place(*first, positions.end)).max();
    let mut cache = poison(words(last.unwrap_or(0) + 4));
    let halves = |random: &mut Random| {
        let pair = [random.unit(), random.unit()].map(|v| half::f16::from_f32(2.0 * v).to_bits() as u32);
        pair[0] | pair[1] << 16
    };
    // Of 64 numbers.
    let pair = match kv {
        Kv::Q8 => 17,
        Kv::Q4 => 9,
        Kv::F32 | Kv::F16 | Kv::Pack16 => 1,
    };
    for cell in cells() {
        for (i, word) in cache[words(cell)..words(cell + 1)].iter_mut().enumerate() {
            *word = match kv {
                Kv::F32 => (2.0 * random.unit()).to_bits(),
                Kv::Q8 | Kv::Q4 if !(i % head).is_multiple_of(pair) => random.next() as u32,
                // Two numbers, or the scales of two blocks.
                _ => halves(random),
            };
        }
    }
    cache
}

/// Whether a cache of this type takes heads of this length.
pub fn takes(kv: Kv, head_dim: u32) -> bool {
    head_dim.is_multiple_of(kv.kind().block())
}

/// The positions that a row sees, its own the last.
pub fn seen(position: u32, window: u32) -> Range<u32> {
    let end = position + 1;
    let count = if window == 0 { end } else { window.min(end) };
    end - count..end
}
