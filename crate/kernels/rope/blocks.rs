//! Keys and values of few bits: blocks of 32 numbers of a head, which share a scale, as `shaders/shared/kv_blocks.wgsl`
//! lays them out. Two blocks follow their scales, a word; a block more than there are pairs has a word of its own.

use half::f16;

/// Numbers that share a scale.
pub const BLOCK: usize = 32;

/// How a number becomes bits.
pub trait Code {
    /// Words of a block.
    const WORDS: usize;
    /// A step between numbers, as a part of the scale.
    const STEP: f32;
    /// From multiples of the step.
    fn codes(multiples: &[f32; BLOCK], words: &mut [u32]);
    /// To multiples of the step.
    fn multiples(words: &[u32], to: &mut [f32; BLOCK]);
}

/// Signed bytes, of 127 parts of the scale.
pub struct Q8;

/// 4 bits, 8 more than how many eighths of the scale, the other way round: so the number that is the scale is 0. Of a
/// word's bytes the low halves are four numbers, the high halves the next four.
pub struct Q4;

impl Code for Q8 {
    const WORDS: usize = 8;
    const STEP: f32 = 1.0 / 127.0;

    fn codes(multiples: &[f32; BLOCK], words: &mut [u32]) {
        for (word, four) in words.iter_mut().zip(multiples.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(four.map(|m| m.clamp(-127.0, 127.0).round_ties_even() as i8 as u8));
        }
    }

    #[inline(always)]
    fn multiples(words: &[u32], to: &mut [f32; BLOCK]) {
        let bytes: &[i8] = bytemuck::cast_slice(words);
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = f32::from(*byte));
    }
}

impl Code for Q4 {
    const WORDS: usize = 4;
    const STEP: f32 = -1.0 / 8.0;

    fn codes(multiples: &[f32; BLOCK], words: &mut [u32]) {
        for (word, eight) in words.iter_mut().zip(multiples.as_chunks::<8>().0) {
            let codes = eight.map(|m| (m.round_ties_even() + 8.0).clamp(0.0, 15.0) as u32);
            *word = (0..8).fold(0, |word, i| word | codes[i] << (8 * (i % 4) + 4 * (i / 4)));
        }
    }

    #[inline(always)]
    fn multiples(words: &[u32], to: &mut [f32; BLOCK]) {
        for (word, to) in words.iter().zip(to.as_chunks_mut::<8>().0) {
            let (low, high) = (word & 0x0f0f_0f0f, word >> 4 & 0x0f0f_0f0f);
            let bytes: [u8; 8] = bytemuck::cast([low, high]);
            to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = f32::from(i16::from(byte) - 8));
        }
    }
}

/// Where a pair of blocks begins, and its words.
const fn pair_words<C: Code>() -> usize {
    1 + 2 * C::WORDS
}

/// Writes a head into its words.
pub fn store<C: Code>(head: &[f32], words: &mut [u32]) {
    for (pair, words) in head.chunks(2 * BLOCK).zip(words.chunks_mut(pair_words::<C>())) {
        let (scales, words) = words.split_at_mut(1);
        scales[0] = 0;
        for (b, (block, words)) in pair.as_chunks::<BLOCK>().0.iter().zip(words.chunks_mut(C::WORDS)).enumerate() {
            let bits = scale(block);
            scales[0] |= u32::from(bits) << (16 * b);
            let step = f16::from_bits(bits).to_f32() * C::STEP;
            let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
            C::codes(&block.map(|v| v * inverse), words);
        }
    }
}

/// The f16 of the number that is furthest from 0; what is no number stays none.
fn scale(block: &[f32; BLOCK]) -> u16 {
    let largest = block.iter().fold(0.0f32, |a, &v| if v.abs() > a.abs() { v } else { a });
    let none = if block.iter().all(|v| v.is_finite()) { 0 } else { 0x7e00 };
    f16::from_f32(largest.clamp(-65504.0, 65504.0)).to_bits() | none
}

/// Reads a head from its words.
#[inline(always)]
pub fn load<C: Code>(words: &[u32], head: &mut [f32]) {
    for (pair, words) in head.chunks_mut(2 * BLOCK).zip(words.chunks(pair_words::<C>())) {
        let (scales, words) = words.split_at(1);
        for (b, (block, words)) in pair.as_chunks_mut::<BLOCK>().0.iter_mut().zip(words.chunks(C::WORDS)).enumerate() {
            let step = f16::from_bits((scales[0] >> (16 * b)) as u16).to_f32() * C::STEP;
            C::multiples(words, block);
            block.iter_mut().for_each(|v| *v *= step);
        }
    }
}

/// Turns a head of queries or keys: each 32 numbers are multiplied by a Hadamard matrix, which spreads those that are much
/// larger than others, so that few bits hold all of them better (QuaRot, Ashkboos et al. 2024). Products of queries and
/// keys that are both turned stay as they were. The matrix is its own inverse.
pub fn turn(head: &mut [f32]) {
    for block in head.as_chunks_mut::<BLOCK>().0 {
        let mut step = 1;
        while step < BLOCK {
            for i in (0..BLOCK).filter(|i| i & step == 0) {
                (block[i], block[i + step]) = (block[i] + block[i + step], block[i] - block[i + step]);
            }
            step *= 2;
        }
        block.iter_mut().for_each(|v| *v *= 0.176_776_7);
    }
}
