//! Four rows of weights times rows of activations: the inner loops of both matrix kernels.

use wide::{f32x4, i32x4, u8x16};

use super::activations::{Activation, BLOCK, Block, Panel};
use super::formats::{Form, Format, Part, Quad, Scales, with_format};
use super::halves;
use super::layout::{ROWS, SPAN};
use crate::base::platform::vector::widen;
use crate::kernels::cpu::sized;
use crate::quant::TensorType;

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
pub fn row<F: Format, A: Activation, const Q: usize>(quads: [Quad; Q], x: Panel<A, 1>) -> [f32x4; Q] {
    let (q, with) = (bytemuck::cast_slice::<_, [A; BLOCK]>(x.q), x.blocks);
    let blocks = q.len();
    let planes = quads.map(|quad| quad.integers::<F>(blocks));
    let mut sums = [f32x4::ZERO; Q];
    let mut scales: [Scales; Q] = std::array::from_fn(|_| Scales::default());
    for first in (0..blocks).step_by(SPAN) {
        let count = SPAN.min(blocks - first);
        for (quad, scales) in quads.iter().zip(&mut scales) {
            F::scales(quad, first, count, scales);
        }
        let (q, with) = (&q[first..][..count], &with[first..][..count]);
        for (i, (q, [with])) in q.iter().zip(with).enumerate() {
            // SAFETY: there are as many blocks of integers.
            let packed = planes.map(|planes| unsafe { planes.block(first + i) });
            block::<F, A, Q>(|n, j| packed[n].codes::<F>(j), q, with, scales.each_ref(), i, &mut sums);
        }
    }
    sums
}

/// Two fours of rows of a part times a row of activations: what [`two`] is for a type.
pub type Two<A> = fn(&Part, [usize; 2], Panel<A, 1>) -> [f32x4; 2];

/// A function for each type, which the kernels share: engines compile one of all types for seconds, and badly.
#[inline(never)]
pub fn two<F: Format, A: Activation>(part: &Part, quads: [usize; 2], x: Panel<A, 1>) -> [f32x4; 2] {
    row::<F, A, 2>(quads.map(|quad| part.quad(quad)), x)
}

/// A span of four rows of weights, ready to be multiplied with many rows of activations.
pub struct Unpacked<A: Activation> {
    /// The first block.
    first: usize,
    /// Four columns each.
    weights: Vec<A::Weights>,
    scales: Scales,
}

impl<A: Activation> Default for Unpacked<A> {
    fn default() -> Self {
        Unpacked { first: 0, weights: Vec::new(), scales: Scales::default() }
    }
}

impl Unpacked<i16> {
    /// Takes columns of four rows of floats, each rounded to integers; the first is of block `first` of the whole rows.
    pub fn round(&mut self, rows: [&[f32]; ROWS], first: usize) {
        self.first = first;
        self.weights.resize(rows[0].len() / 4, <i16 as Activation>::weights(u8x16::ZERO));
        for (i, to) in self.weights.chunks_mut(halves::COLUMNS / 4).enumerate() {
            self.scales.scale[i] = halves::round(rows.map(|row| &row[i * halves::COLUMNS..]), to);
        }
    }
}

/// What unpacks a span of a type.
pub type Fill = fn(&mut Unpacked<i16>, &Quad, usize, usize, usize);

/// [`Unpacked::fill`] of a type.
pub fn fill_of(kind: TensorType) -> Fill {
    with_format!(kind, F => Unpacked::fill::<F>)
}

impl Unpacked<i16> {
    /// The four rows as floats.
    pub fn rows<'a>(&self, form: &Form, store: &'a mut Vec<f32>) -> [&'a [f32]; ROWS] {
        let fours = self.weights.len();
        let all = sized(store, ROWS * 4 * fours);
        let stretch = 8 / form.each;
        for (pair, out) in all.chunks_exact_mut(2 * 4 * fours).enumerate() {
            let (first, second) = out.as_chunks_mut::<4>().0.split_at_mut(fours);
            let stretches = first.chunks_mut(stretch).zip(second.chunks_mut(stretch));
            for (at, ((first, second), weights)) in stretches.zip(self.weights.chunks(stretch)).enumerate() {
                let of = |four: f32x4| [0, 1].map(|r| f32x4::splat(four.to_array()[2 * pair + r]));
                let scale = of(self.scales.scale[at]);
                let offset = if form.has_offsets() { of(self.scales.offset[at]) } else { [f32x4::ZERO; 2] };
                for ((first, second), weights) in first.iter_mut().zip(second).zip(weights) {
                    let q = widen(weights[pair]);
                    *first = (scale[0] * q[0].round_float() + offset[0]).to_array();
                    *second = (scale[1] * q[1].round_float() + offset[1]).to_array();
                }
            }
        }
        let all: &[f32] = all;
        std::array::from_fn(|r| &all[4 * fours * r..][..4 * fours])
    }
}

impl<A: Activation> Unpacked<A> {
    /// Takes `count` of a row's `blocks` blocks, from `first` on: a multiple of [`SPAN`], and no more than that. A function of its
    /// own for each type, which products and embeddings share.
    #[inline(never)]
    pub fn fill<F: Format>(&mut self, quad: &Quad, blocks: usize, first: usize, count: usize) {
        assert!(first + count <= blocks);
        self.first = first;
        self.weights.resize(8 * count, A::weights(u8x16::ZERO));
        let planes = quad.integers::<F>(blocks);
        for (i, to) in self.weights.as_chunks_mut::<8>().0.iter_mut().enumerate() {
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
    pub fn add<F: Format, const M: usize>(&self, x: Panel<A, M>, to: &mut [f32x4]) {
        let to: &mut [f32x4; M] = to.try_into().expect("a sum for each row");
        let mut sums = *to;
        let (each, count) = (F::FORM.each, self.weights.len());
        let with = &x.blocks[self.first * BLOCK / F::FORM.columns..];
        let x = &x.q[self.first * BLOCK / 4..][..count];
        let stretch = F::FORM.columns / 4 / each;
        let run = A::run(F::FORM.bits()).min(stretch);
        for (s, from) in (0..count).step_by(stretch).enumerate() {
            let mut dots = [A::ZERO; M];
            let end = count.min(from + stretch);
            for from in (from..end).step_by(run) {
                // Compilers that know how often a loop runs lay out several rounds at once, and then weights do not stay in
                // registers.
                for j in from..std::hint::black_box(end.min(from + run)) {
                    // SAFETY: there are as many.
                    let (weights, x) = unsafe { (*self.weights.get_unchecked(j), x.get_unchecked(j)) };
                    for m in 0..M {
                        A::add(&mut dots[m], weights, &x[m]);
                    }
                }
                dots.iter_mut().for_each(A::carry);
            }
            let (with, part) = (&with[s / each], s % each);
            for m in 0..M {
                let dot = A::total(dots[m]);
                scaled::<F>(dot, A::KEEPS_BIAS, &with[m], &self.scales, s, part, &mut sums[m]);
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
