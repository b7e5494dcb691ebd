//! Activations as integers: blocks of columns, x = d · q, as the weights they are multiplied with have theirs.
//!
//! Rows lie in panels: four columns of each row of a panel, then the next four. So a kernel that multiplies the rows of a
//! panel with the same weights reads on from one place.

use std::iter::StepBy;
use std::slice::IterMut;

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
        usize::MAX
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
    q: &'a [[A; 4]],
    blocks: &'a [Block],
    /// Columns of a row, in fours.
    fours: usize,
    /// Blocks of a row.
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

/// M rows of them.
#[derive(Clone, Copy)]
pub struct Panel<'a, A, const M: usize> {
    /// Their integers, four columns of each.
    pub q: &'a [[[A; 4]; M]],
    /// What goes with the integers of a block.
    pub blocks: &'a [[Block; M]],
}

impl<'a, A> Quantized<'a, A> {
    /// The rows from `first` on, which were filled in as a panel.
    #[inline(always)]
    pub fn panel<const M: usize>(&self, first: usize) -> Panel<'a, A, M> {
        let q = self.q[first * self.fours..][..M * self.fours].as_chunks().0;
        Panel { q, blocks: self.blocks[first * self.per_row..][..M * self.per_row].as_chunks().0 }
    }
}

/// How `rows` rows are cut into panels of `width`, each by its first row and how many it has room for: a last one that is not
/// full is filled up with zeros, and one of a single row has room for that only.
pub fn panels(rows: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).step_by(width).map(move |first| (first, if rows - first == 1 { 1 } else { width }))
}

/// Where they lie.
#[derive(Default)]
pub struct Store<A> {
    q: Vec<[A; 4]>,
    blocks: Vec<Block>,
    /// The job that they are of.
    of: Option<JobId>,
}

impl<A: Activation> Store<A> {
    /// Takes so many rows of so many columns, in panels of so many, for weights of a form; `row` writes each row into a
    /// piece of `floats`. That is done once for all pieces of a job that a thread does.
    pub fn fill<'a>(
        &'a mut self,
        job: &Job,
        [rows, k, width]: [usize; 3],
        form: Form,
        floats: &mut Vec<f32>,
        row: impl Fn(usize, &mut [f32]),
    ) -> Quantized<'a, A> {
        let x = sized(floats, k);
        self.each(job, [rows, k, width], form, |r, q, blocks| {
            row(r, x);
            quantize_row(x, form, q, blocks);
        })
    }

    /// The same of rows that are there.
    pub fn take<'a, 'x>(
        &'a mut self,
        job: &Job,
        [rows, k, width]: [usize; 3],
        form: Form,
        row: impl Fn(usize) -> &'x [f32],
    ) -> Quantized<'a, A> {
        self.each(job, [rows, k, width], form, |r, q, blocks| quantize_row(row(r), form, q, blocks))
    }

    /// Lets `write` fill each row, if that was not done for this job.
    fn each<'a>(
        &'a mut self,
        job: &Job,
        [rows, k, width]: [usize; 3],
        form: Form,
        write: impl FnMut(usize, Column<[A; 4]>, Column<Block>),
    ) -> Quantized<'a, A> {
        let (fours, per_row) = (k / 4, k.div_ceil(form.columns));
        let room = rows.next_multiple_of(width);
        let q = sized(&mut self.q, room * fours);
        let blocks = sized(&mut self.blocks, room * per_row);
        if self.of.replace(job.id()) != Some(job.id()) {
            each_row(rows, width, per_row, q, blocks, write);
        }
        Quantized { q, blocks, fours, per_row }
    }

    /// Takes some rows of others, which lie row by row, in panels of `width`.
    pub fn pick<'a>(
        &'a mut self,
        of: &Quantized<A>,
        rows: impl ExactSizeIterator<Item = usize> + Clone,
        width: usize,
    ) -> Quantized<'a, A> {
        let room = rows.len().next_multiple_of(width);
        let q = sized(&mut self.q, room * of.fours);
        let blocks = sized(&mut self.blocks, room * of.per_row);
        self.of = None;
        let mut picked = rows.clone();
        each_row(rows.len(), width, of.per_row, q, blocks, |_, to, to_blocks| {
            let row: Panel<A, 1> = of.panel(picked.next().expect("as many as there are rows"));
            to.zip(row.q).for_each(|(to, [q])| *to = *q);
            to_blocks.zip(row.blocks).for_each(|(to, [block])| *to = *block);
        });
        Quantized { q, blocks, fours: of.fours, per_row: of.per_row }
    }
}

/// What is a row's in a panel.
type Column<'a, T> = StepBy<IterMut<'a, T>>;

/// Lets `write` fill each of the rows with its integers and its blocks; the rest of the last panel becomes zeros.
#[inline(always)]
fn each_row<A: Activation>(
    rows: usize,
    width: usize,
    per_row: usize,
    q: &mut [[A; 4]],
    blocks: &mut [Block],
    mut write: impl FnMut(usize, Column<[A; 4]>, Column<Block>),
) {
    let fours = q.len() / rows.next_multiple_of(width);
    for (first, width) in panels(rows, width) {
        let q = &mut q[first * fours..][..width * fours];
        let blocks = &mut blocks[first * per_row..][..width * per_row];
        for m in 0..width {
            let (q, blocks) = (q[m..].iter_mut().step_by(width), blocks[m..].iter_mut().step_by(width));
            if first + m < rows {
                write(first + m, q, blocks);
            } else {
                q.for_each(|q| *q = [A::zeroed(); 4]);
                blocks.for_each(|block| *block = Block::default());
            }
        }
    }
}

/// A row's integers, four by four, and what goes with them, block by block.
#[inline(never)]
fn quantize_row<A: Activation>(x: &[f32], form: Form, mut to: Column<[A; 4]>, blocks: Column<Block>) {
    for (x, block) in x.chunks(form.columns).zip(blocks) {
        let x = x.as_chunks::<BLOCK>().0;
        let (mut all, mut most) = (f32x4::ZERO, f32x4::ZERO);
        for v in x.iter().flat_map(|x| cast::<_, [f32x4; 8]>(*x)) {
            all += v * f32x4::ZERO;
            most = most.fast_max(v.abs());
        }
        // Numbers that are none make d none: the products of the block are then none either.
        let most = math::largest(most) + all.reduce_add();
        let limit = A::MOST.min(form.most);
        let inverse = f32x4::splat(if most > 0.0 { limit / most } else { 0.0 });
        block.d = most / limit;
        for x in x {
            let x: [f32x4; 8] = cast(*x);
            let mut rounded = [i32x4::ZERO; 8];
            for (to, v) in rounded.iter_mut().zip(x) {
                *to = math::nearest(v * inverse);
            }
            A::packed(&rounded).as_chunks::<4>().0.iter().zip(to.by_ref()).for_each(|(q, to)| *to = *q);
            if !form.needs_sums() {
                continue;
            }
            let mut sums = [0; 2];
            for (sum, rounded) in sums.iter_mut().zip(rounded.chunks_exact(8 / form.each)) {
                let mut four = i32x4::ZERO;
                rounded.iter().for_each(|v| four += *v);
                *sum = four.reduce_add();
            }
            block.biases = sums.map(|sum| -sum * form.bias);
            block.totals = sums.map(|sum| block.d * sum as f32);
        }
    }
}
