//! Four rows of weights times rows of activations: the inner loops of both matrix kernels.

use wide::{f32x4, i32x4, u8x16};

use super::activations::{Activation, BLOCK, Block, Row};
use super::formats::{Format, Quad, Scales};
use super::halves;
use super::layout::{ROWS, SPAN};

/// The body once for each of the eight vectors of a block: compilers leave such a loop alone, and a shift that is no
/// constant costs more than a product.
macro_rules! unrolled {
    ($j:ident => $body:block) => {
        unrolled!($j => $body; 0 1 2 3 4 5 6 7)
    };
    ($j:ident => $body:block; $($n:literal)+) => {
        $({
            const $j: usize = $n;
            $body
        })+
    };
}

/// One row of activations times Q fours of rows of weights, which are read as they are stored.
#[inline(always)]
pub fn row<F: Format, A: Activation, const Q: usize>(quads: [Quad; Q], x: Row<A>) -> [f32x4; Q] {
    let blocks = x.q.len();
    let planes = quads.map(|quad| quad.integers::<F>(blocks));
    let mut sums = [f32x4::ZERO; Q];
    let mut scales: [Scales; Q] = std::array::from_fn(|_| Scales::default());
    for first in (0..blocks).step_by(SPAN) {
        let count = SPAN.min(blocks - first);
        for (quad, scales) in quads.iter().zip(&mut scales) {
            F::scales(quad, first, count, scales);
        }
        let (q, with) = (&x.q[first..][..count], &x.blocks[first..][..count]);
        for (i, (q, with)) in q.iter().zip(with).enumerate() {
            // SAFETY: there are as many blocks of integers.
            let packed = planes.map(|planes| unsafe { planes.block(first + i) });
            block::<F, A, Q>(|n, j| packed[n].codes::<F>(j), q, with, scales.each_ref(), i, &mut sums);
        }
    }
    sums
}

/// All integers of `blocks` blocks.
#[inline(always)]
pub fn unpack<F: Format>(quad: &Quad, blocks: usize) -> impl Iterator<Item = [u8x16; 8]> {
    let planes = quad.integers::<F>(blocks);
    (0..blocks).map(move |b| {
        // SAFETY: there are as many.
        let codes = unsafe { planes.block(b) };
        let mut all = [u8x16::ZERO; 8];
        unrolled!(J => {
            all[J] = codes.codes::<F>(J);
        });
        all
    })
}

/// A span of four rows of weights, ready to be multiplied with many rows of activations.
pub struct Unpacked<A: Activation> {
    /// The first block.
    first: usize,
    weights: Vec<[A::Weights; 8]>,
    scales: Scales,
}

impl<A: Activation> Default for Unpacked<A> {
    fn default() -> Self {
        Unpacked { first: 0, weights: Vec::new(), scales: Scales::default() }
    }
}

impl Unpacked<i16> {
    /// Takes blocks of four rows of floats, each rounded to integers; the first is number `first` of the whole rows.
    pub fn round(&mut self, rows: [&[f32]; ROWS], first: usize) {
        self.first = first;
        self.weights.resize(rows[0].len() / BLOCK, [<i16 as Activation>::weights(u8x16::ZERO); 8]);
        for (i, to) in self.weights.iter_mut().enumerate() {
            // Vectors of two rows, four columns of each.
            let to: &mut [[u64; ROWS]; 8] = bytemuck::cast_mut(to);
            let scales = std::array::from_fn(|r| {
                let row = &rows[r].as_chunks::<BLOCK>().0[i];
                let (scale, integers) = halves::round(row);
                to.iter_mut().zip(integers).for_each(|(to, four)| to[r] = four);
                scale
            });
            self.scales.scale[i] = f32x4::new(scales);
        }
    }
}

impl<A: Activation> Unpacked<A> {
    /// Takes `count` of a row's `blocks` blocks, from `first` on: a multiple of [`SPAN`], and no more than that.
    pub fn fill<F: Format>(&mut self, quad: &Quad, blocks: usize, first: usize, count: usize) {
        assert!(first + count <= blocks);
        self.first = first;
        self.weights.resize(count, [A::weights(u8x16::ZERO); 8]);
        let planes = quad.integers::<F>(blocks);
        for (i, to) in self.weights.iter_mut().enumerate() {
            // SAFETY: there are as many.
            let codes = unsafe { planes.block(first + i) };
            unrolled!(J => {
                to[J] = A::kept(codes.codes::<F>(J), F::FORM.bias);
            });
        }
        F::scales(quad, first, count, &mut self.scales);
    }

    /// Adds their products with M rows.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "with iterators a prompt took longer")]
    pub fn add<F: Format, const M: usize>(&self, x: [Row<A>; M], to: &mut [f32x4]) {
        let blocks = self.weights.len();
        let x = x.map(|x| Row { q: &x.q[self.first..][..blocks], blocks: &x.blocks[self.first..][..blocks] });
        let to: &mut [f32x4; M] = to.try_into().expect("a sum for each row");
        let mut sums = *to;
        let each = F::FORM.each;
        let stretch = 8 / each;
        let run = A::run(F::FORM.bits()).min(stretch);
        // Compilers that know how often a loop runs lay it out row by row, and then weights do not stay in registers.
        let rounds = if run == stretch { 1 } else { std::hint::black_box(stretch / run) };
        // Two at a time do stay.
        let step = if run.is_multiple_of(2) { 2 } else { 1 };
        let run = std::hint::black_box(run / step);
        for (b, weights) in self.weights.iter().enumerate() {
            let (q, with) = (x.map(|x| &x.q[b]), x.map(|x| &x.blocks[b]));
            for part in 0..each {
                let mut dots = [A::ZERO; M];
                let mut j = part * stretch;
                for _ in 0..rounds {
                    for _ in 0..run {
                        for _ in 0..step {
                            // SAFETY: a block has eight.
                            let weights = unsafe { *weights.get_unchecked(j) };
                            for m in 0..M {
                                // SAFETY: of activations too.
                                A::add(&mut dots[m], weights, unsafe { q[m].as_chunks().0.get_unchecked(j) });
                            }
                            j += 1;
                        }
                    }
                    dots.iter_mut().for_each(A::carry);
                }
                for m in 0..M {
                    let (dot, at) = (A::total(dots[m]), b * each + part);
                    scaled::<F>(dot, A::KEEPS_BIAS, with[m], &self.scales, at, part, &mut sums[m]);
                }
            }
        }
        *to = sums;
    }
}

/// Adds the products of a stretch of columns, number `part` of a block's, to a result; `at` is the number of their scale.
/// `biased`: weights had their bias.
#[inline(always)]
fn scaled<F: Format>(
    mut dot: i32x4,
    biased: bool,
    with: &Block,
    scales: &Scales,
    at: usize,
    part: usize,
    out: &mut f32x4,
) {
    if biased && F::FORM.bias != 0 {
        dot += i32x4::splat(with.biases[part]);
    }
    *out += dot.round_float() * (scales.scale[at] * f32x4::splat(with.d));
    if F::FORM.has_offsets() {
        *out += scales.offset[at] * f32x4::splat(with.totals[part]);
    }
}

/// Adds what a block of Q fours of rows, with these integers, gives to a row; its scales are number `i` of the span's.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "as above")]
fn block<F: Format, A: Activation, const Q: usize>(
    codes: impl Fn(usize, usize) -> u8x16,
    x: &[A; BLOCK],
    with: &Block,
    scales: [&Scales; Q],
    i: usize,
    out: &mut [f32x4; Q],
) {
    let form = F::FORM;
    let stretch = 8 / form.each;
    let run = A::run(form.bits()).min(stretch);
    let mut dots = [A::ZERO; Q];
    unrolled!(J => {
        for n in 0..Q {
            A::add(&mut dots[n], A::weights(codes(n, J)), x[4 * J..].first_chunk().expect("four columns"));
            if (J + 1).is_multiple_of(run) {
                A::carry(&mut dots[n]);
            }
        }
        if (J + 1).is_multiple_of(stretch) {
            let part = J / stretch;
            for n in 0..Q {
                let dot = A::total(std::mem::replace(&mut dots[n], A::ZERO));
                scaled::<F>(dot, true, with, scales[n], i * form.each + part, part, &mut out[n]);
            }
        }
    });
}
