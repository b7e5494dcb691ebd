//! Activations as integers: blocks of 32 columns, x = d · q, as the weights they are multiplied with have theirs.

use bytemuck::cast;
use wide::{f32x4, i8x16, i16x8, i32x4, u8x16};

use super::formats::Form;
use crate::base::platform::vector::{add_pairs, dot_bytes, narrow};
use crate::kernels::cpu::{math, sized};
use crate::kernels::job::{Job, JobId};

/// Columns of a block.
pub const BLOCK: usize = 32;

/// An integer type of activations, and how it is multiplied with the integers of weights.
pub trait Activation: bytemuck::Pod + Default {
    /// The largest q.
    const MOST: f32;
    /// Vectors of weights of `bits` bits whose products can be summed before [`Activation::carry`].
    fn run(bits: u32) -> usize;
    /// Weights, made ready to be multiplied with several rows.
    type Weights: Copy;
    /// Sums of four rows of weights.
    type Sum: Copy;
    /// Sums of nothing.
    const ZERO: Self::Sum;
    /// Makes weights ready: their codes, before scale and offset.
    fn weights(codes: u8x16) -> Self::Weights;
    /// The same, to be kept; less the bias where there is room for the sign.
    fn kept(codes: u8x16, bias: i32) -> Self::Weights;
    /// Whether kept weights have their bias still.
    const KEEPS_BIAS: bool;
    /// Adds four columns.
    fn add(sum: &mut Self::Sum, weights: Self::Weights, x: &[Self; 4]);
    /// Makes room for another run of products.
    fn carry(sum: &mut Self::Sum);
    /// The four rows' sums.
    fn total(sum: Self::Sum) -> i32x4;
    /// Of numbers that fit.
    fn packed(v: &[i32x4; 8]) -> [Self; BLOCK];
}

/// Sixteen bits: as good as f32 for what follows.
impl Activation for i16 {
    const MOST: f32 = 32767.0;
    fn run(_bits: u32) -> usize {
        8
    }
    type Weights = [i16x8; 2];
    /// Two lanes a row; rows 0 and 1, then 2 and 3.
    type Sum = [i32x4; 2];
    const ZERO: [i32x4; 2] = [i32x4::ZERO; 2];

    #[inline(always)]
    fn weights(codes: u8x16) -> [i16x8; 2] {
        [cast(u8x16::unpack_low(codes, u8x16::ZERO)), cast(u8x16::unpack_high(codes, u8x16::ZERO))]
    }
    #[inline(always)]
    fn kept(codes: u8x16, bias: i32) -> [i16x8; 2] {
        Self::weights(codes).map(|weights| weights - i16x8::splat(bias as i16))
    }
    const KEEPS_BIAS: bool = false;
    #[inline(always)]
    fn add(sum: &mut Self::Sum, weights: Self::Weights, x: &[i16; 4]) {
        let x = wide::u64x2::splat(cast(*x));
        sum[0] += weights[0].dot(cast(x));
        sum[1] += weights[1].dot(cast(x));
    }
    #[inline(always)]
    fn carry(_sum: &mut Self::Sum) {}
    #[inline(always)]
    fn total(sum: Self::Sum) -> i32x4 {
        add_pairs(sum[0], sum[1])
    }
    #[inline(always)]
    fn packed(v: &[i32x4; 8]) -> [i16; BLOCK] {
        let mut packed = [i16x8::ZERO; 4];
        for (to, [a, b]) in packed.iter_mut().zip(v.as_chunks::<2>().0) {
            *to = narrow(*a, *b);
        }
        cast(packed)
    }
}

/// Eight bits: fewer instructions, for weights of less than eight.
impl Activation for i8 {
    const MOST: f32 = 127.0;
    fn run(bits: u32) -> usize {
        // So that 16 bits hold the sums: 2 · 127 · 15 · 8 and so on.
        [8, 8, 8, 8, 8, 4, 2, 1][bits as usize]
    }
    type Weights = u8x16;
    /// Two lanes a row, and what was carried over.
    type Sum = (i16x8, i32x4);
    const ZERO: (i16x8, i32x4) = (i16x8::ZERO, i32x4::ZERO);

    #[inline(always)]
    fn weights(codes: u8x16) -> u8x16 {
        codes
    }
    #[inline(always)]
    fn kept(codes: u8x16, _bias: i32) -> u8x16 {
        codes
    }
    const KEEPS_BIAS: bool = true;
    #[inline(always)]
    fn add(sum: &mut Self::Sum, weights: u8x16, x: &[i8; 4]) {
        let x: i8x16 = cast(wide::u32x4::splat(cast(*x)));
        sum.0 += dot_bytes(weights, x);
    }
    #[inline(always)]
    fn carry(sum: &mut Self::Sum) {
        sum.1 += sum.0.dot(i16x8::splat(1));
        sum.0 = i16x8::ZERO;
    }
    #[inline(always)]
    fn total(sum: Self::Sum) -> i32x4 {
        sum.1
    }
    #[inline(always)]
    fn packed(v: &[i32x4; 8]) -> [i8; BLOCK] {
        let v: [i32; BLOCK] = cast(*v);
        let mut packed = [0; BLOCK];
        packed.iter_mut().zip(v).for_each(|(to, v)| *to = v as i8);
        packed
    }
}

/// Rows of activations as integers.
pub struct Quantized<'a, A> {
    q: &'a [[A; BLOCK]],
    blocks: &'a [Block],
    per_row: usize,
}

/// What goes with the integers of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Block {
    /// Whole.
    pub d: f32,
    /// The sum of the q of each stretch of columns that shares a weight's scale: less the weights' bias, and times d.
    /// One stretch or two.
    pub biases: [i32; 2],
    /// Those sums as floats, times d.
    pub totals: [f32; 2],
}

/// One row of them.
#[derive(Clone, Copy)]
pub struct Row<'a, A> {
    /// Its integers, a block each.
    pub q: &'a [[A; BLOCK]],
    /// What goes with them.
    pub blocks: &'a [Block],
}

impl<'a, A> Quantized<'a, A> {
    /// Row `r`.
    #[inline(always)]
    pub fn row(&self, r: usize) -> Row<'a, A> {
        let range = r * self.per_row..(r + 1) * self.per_row;
        Row { q: &self.q[range.clone()], blocks: &self.blocks[range] }
    }
}

/// Where they lie.
#[derive(Default)]
pub struct Store<A> {
    q: Vec<[A; BLOCK]>,
    blocks: Vec<Block>,
    /// The job that they are of.
    of: Option<JobId>,
}

impl<A: Activation> Store<A> {
    /// Takes `rows` rows of `blocks` blocks, each of which `row` writes into a piece of `floats`, for weights of a form; once
    /// for all pieces of a job that a thread does.
    pub fn fill<'a>(
        &'a mut self,
        job: &Job,
        rows: usize,
        blocks: usize,
        form: Form,
        floats: &mut Vec<f32>,
        row: impl Fn(usize, &mut [f32]),
    ) -> Quantized<'a, A> {
        let x = sized(floats, blocks * BLOCK);
        let q = sized(&mut self.q, rows * blocks);
        let all = sized(&mut self.blocks, rows * blocks);
        if self.of.replace(job.id()) == Some(job.id()) {
            return Quantized { q, blocks: all, per_row: blocks };
        }
        for (r, (q, all)) in q.chunks_exact_mut(blocks).zip(all.chunks_exact_mut(blocks)).enumerate() {
            row(r, x);
            for ((x, q), block) in x.as_chunks::<BLOCK>().0.iter().zip(q).zip(all) {
                let sums;
                (block.d, sums) = quantize(x, q, BLOCK / form.each);
                block.biases = sums.map(|sum| -sum * form.bias);
                block.totals = sums.map(|sum| block.d * sum as f32);
            }
        }
        Quantized { q, blocks: all, per_row: blocks }
    }
}

/// Numbers that are none make d none: the products of the block are then none either.
#[inline(always)]
fn quantize<A: Activation>(x: &[f32; BLOCK], q: &mut [A; BLOCK], stretch: usize) -> (f32, [i32; 2]) {
    let x: &[f32x4; 8] = &cast(*x);
    let (mut all, mut most) = (f32x4::ZERO, f32x4::ZERO);
    for v in x {
        all += *v * f32x4::ZERO;
        most = most.fast_max(v.abs());
    }
    let most = math::largest(most) + all.reduce_add();
    let inverse = f32x4::splat(if most > 0.0 { A::MOST / most } else { 0.0 });
    let mut rounded = [i32x4::ZERO; 8];
    for (to, v) in rounded.iter_mut().zip(x) {
        *to = math::nearest(*v * inverse);
    }
    *q = A::packed(&rounded);
    let mut sums = [0; 2];
    for (sum, rounded) in sums.iter_mut().zip(rounded.chunks_exact(stretch / 4)) {
        let mut four = i32x4::ZERO;
        rounded.iter().for_each(|v| four += *v);
        *sum = four.reduce_add();
    }
    (most / A::MOST, sums)
}
