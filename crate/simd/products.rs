//! Four rows of weights times rows of activations: the inner loops of both matrix kernels.

use wide::{f32x4, i32x4, u8x16};

use super::activations::{Activation, BLOCK, Quantized};
use super::formats::{Format, Quad, Scales, codes};
use super::quads::SPAN;

/// One row of activations, weights read as they are stored.
#[inline(always)]
pub fn row<F: Format, A: Activation>(quad: &Quad, x: &Quantized<A>, r: usize) -> f32x4 {
    let mut sums = f32x4::ZERO;
    let mut scales = Scales::default();
    for first in (0..x.blocks).step_by(SPAN) {
        let count = SPAN.min(x.blocks - first);
        F::scales(quad, first, count, &mut scales);
        for i in 0..count {
            let [sum] = block::<F, A, 1>(&codes::<F>(quad, first + i), x, r, first + i, &scales, i);
            sums += sum;
        }
    }
    sums
}

/// Four rows of weights with their integers a byte each, for many rows of activations.
#[derive(Default)]
pub struct Unpacked {
    codes: Vec<[u8x16; 8]>,
    scales: Vec<Scales>,
}

impl Unpacked {
    pub fn fill<F: Format>(&mut self, quad: &Quad, blocks: usize) {
        self.codes.clear();
        self.codes.extend((0..blocks).map(|b| codes::<F>(quad, b)));
        self.scales.resize_with(blocks.div_ceil(SPAN), Scales::default);
        for (span, scales) in self.scales.iter_mut().enumerate() {
            F::scales(quad, span * SPAN, SPAN.min(blocks - span * SPAN), scales);
        }
    }

    /// Rows r..r+M of activations.
    #[inline(always)]
    pub fn rows<F: Format, A: Activation, const M: usize>(&self, x: &Quantized<A>, r: usize) -> [f32x4; M] {
        let mut sums = [f32x4::ZERO; M];
        for (b, codes) in self.codes.iter().enumerate() {
            let more = block::<F, A, M>(codes, x, r, b, &self.scales[b / SPAN], b % SPAN);
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        sums
    }
}

/// What block `b` gives to rows r..r+M; its scales are number `i` of the span's.
#[inline(always)]
fn block<F: Format, A: Activation, const M: usize>(
    codes: &[u8x16; 8],
    x: &Quantized<A>,
    r: usize,
    b: usize,
    scales: &Scales,
    i: usize,
) -> [f32x4; M] {
    let form = F::FORM;
    let rows: [&[A; BLOCK]; M] =
        std::array::from_fn(|m| x.q[((r + m) * x.blocks + b) * BLOCK..][..BLOCK].try_into().expect("a block"));
    let mut out = [f32x4::ZERO; M];
    let stretch = 8 / form.each;
    let run = A::run(form.bits()).min(stretch);
    for part in 0..form.each {
        let mut sums = [A::Sum::default(); M];
        for j in part * stretch..(part + 1) * stretch {
            let weights = A::weights(codes[j]);
            for m in 0..M {
                let four: &[A; 4] = rows[m][4 * j..][..4].try_into().expect("four columns");
                A::add(&mut sums[m], weights, four);
            }
            if (j + 1) % run == 0 {
                sums.iter_mut().for_each(A::carry);
            }
        }
        for m in 0..M {
            let at = ((r + m) * x.blocks + b) * form.each + part;
            let mut dot: i32x4 = A::total(sums[m]);
            if form.bias != 0 {
                dot -= i32x4::splat(form.bias * x.sums[at]);
            }
            let scale = scales.scale[i * form.each + part] * f32x4::splat(x.d[(r + m) * x.blocks + b]);
            out[m] += dot.round_float() * scale;
            if form.bias == 0 {
                out[m] += scales.offset[i * form.each + part] * f32x4::splat(x.totals[at]);
            }
        }
    }
    out
}
