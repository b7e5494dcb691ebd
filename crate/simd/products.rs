//! Four rows of weights times rows of activations: the inner loops of both matrix kernels.

use wide::{f32x4, i32x4, u8x16};

use super::activations::{Activation, BLOCK, Block, Row};
use super::formats::{Format, Quad, Scales, packed};
use super::quads::SPAN;

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

/// One row of activations, weights read as they are stored.
#[inline(always)]
pub fn row<F: Format, A: Activation>(quad: &Quad, x: Row<A>) -> f32x4 {
    let blocks = x.q.len();
    assert_eq!(x.blocks.len(), blocks);
    let mut sums = [f32x4::ZERO];
    let mut scales = Scales::default();
    for first in (0..blocks).step_by(SPAN) {
        let count = SPAN.min(blocks - first);
        F::scales(quad, first, count, &mut scales);
        for i in 0..count {
            let (b, codes) = (first + i, packed::<F>(quad, first + i));
            block::<F, A, 1>(|j| codes.codes::<F>(j), [&x.q[b]], [&x.blocks[b]], &scales, i, &mut sums);
        }
    }
    sums[0]
}

/// All integers of a block.
#[inline(always)]
pub fn unpack<F: Format>(quad: &Quad, b: usize) -> [u8x16; 8] {
    let codes = packed::<F>(quad, b);
    let mut all = [u8x16::ZERO; 8];
    unrolled!(J => {
        all[J] = codes.codes::<F>(J);
    });
    all
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
        self.codes.extend((0..blocks).map(|b| unpack::<F>(quad, b)));
        self.scales.resize_with(blocks.div_ceil(SPAN), Scales::default);
        for (span, scales) in self.scales.iter_mut().enumerate() {
            F::scales(quad, span * SPAN, SPAN.min(blocks - span * SPAN), scales);
        }
    }

    /// Their products with M rows.
    #[inline(always)]
    pub fn rows<F: Format, A: Activation, const M: usize>(&self, x: [Row<A>; M]) -> [f32x4; M] {
        let blocks = self.codes.len();
        assert!(x.iter().all(|x| x.q.len() == blocks && x.blocks.len() == blocks));
        let mut sums = [f32x4::ZERO; M];
        for (b, codes) in self.codes.iter().enumerate() {
            let (q, with) = (x.map(|x| &x.q[b]), x.map(|x| &x.blocks[b]));
            block::<F, A, M>(|j| codes[j], q, with, &self.scales[b / SPAN], b % SPAN, &mut sums);
        }
        sums
    }
}

/// Adds what a block with these integers gives to M rows; its scales are number `i` of the span's.
#[inline(always)]
fn block<F: Format, A: Activation, const M: usize>(
    codes: impl Fn(usize) -> u8x16,
    x: [&[A; BLOCK]; M],
    with: [&Block; M],
    scales: &Scales,
    i: usize,
    out: &mut [f32x4; M],
) {
    let form = F::FORM;
    let stretch = 8 / form.each;
    let run = A::run(form.bits()).min(stretch);
    let mut sums = [A::ZERO; M];
    unrolled!(J => {
        let weights = A::weights(codes(J));
        for m in 0..M {
            A::add(&mut sums[m], weights, x[m][4 * J..].first_chunk().expect("four columns"));
        }
        if (J + 1) % run == 0 {
            sums.iter_mut().for_each(A::carry);
        }
        if (J + 1) % stretch == 0 {
            let part = J / stretch;
            for m in 0..M {
                let mut dot: i32x4 = A::total(std::mem::replace(&mut sums[m], A::ZERO));
                if form.bias != 0 {
                    dot -= i32x4::splat(with[m].sums[part] * form.bias);
                }
                out[m] += dot.round_float() * (scales.scale[i * form.each + part] * f32x4::splat(with[m].d));
                if form.bias == 0 {
                    out[m] += scales.offset[i * form.each + part] * f32x4::splat(with[m].totals[part]);
                }
            }
        }
    });
}
