//! Four rows of weights times rows of activations: the inner loops of both matrix kernels.

use wide::{f32x4, i32x4, u8x16};

use super::activations::{Activation, BLOCK, Block, Row};
use super::formats::{Format, Quad, Scales};
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

/// One row of activations times Q fours of rows of weights, which are read as they are stored.
#[inline(always)]
pub fn row<F: Format, A: Activation, const Q: usize>(quads: [Quad; Q], x: Row<A>) -> [f32x4; Q] {
    let blocks = x.q.len();
    let planes = quads.map(|quad| quad.integers::<F>(blocks));
    let mut sums = [[f32x4::ZERO]; Q];
    let mut scales: [Scales; Q] = std::array::from_fn(|_| Scales::default());
    for first in (0..blocks).step_by(SPAN) {
        let count = SPAN.min(blocks - first);
        for (quad, scales) in quads.iter().zip(&mut scales) {
            F::scales(quad, first, count, scales);
        }
        let (q, with) = (&x.q[first..][..count], &x.blocks[first..][..count]);
        for (i, (q, with)) in q.iter().zip(with).enumerate() {
            // There are as many blocks of integers.
            let packed = planes.map(|planes| unsafe { planes.block(first + i) });
            block::<F, A, Q, 1>(|n, j| packed[n].codes::<F>(j), [q], [with], scales.each_ref(), i, &mut sums);
        }
    }
    sums.map(|[sum]| sum)
}

/// All integers of `blocks` blocks.
#[inline(always)]
pub fn unpack<F: Format>(quad: &Quad, blocks: usize) -> impl Iterator<Item = [u8x16; 8]> {
    let planes = quad.integers::<F>(blocks);
    (0..blocks).map(move |b| {
        // There are as many.
        let codes = unsafe { planes.block(b) };
        let mut all = [u8x16::ZERO; 8];
        unrolled!(J => {
            all[J] = codes.codes::<F>(J);
        });
        all
    })
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
        self.codes.extend(unpack::<F>(quad, blocks));
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
        let mut sums = [[f32x4::ZERO; M]];
        for (b, codes) in self.codes.iter().enumerate() {
            let (q, with) = (x.map(|x| &x.q[b]), x.map(|x| &x.blocks[b]));
            block::<F, A, 1, M>(|_, j| codes[j], q, with, [&self.scales[b / SPAN]], b % SPAN, &mut sums);
        }
        sums[0]
    }
}

/// Adds what a block of Q fours of rows, with these integers, gives to M rows; its scales are number `i` of the span's.
#[inline(always)]
fn block<F: Format, A: Activation, const Q: usize, const M: usize>(
    codes: impl Fn(usize, usize) -> u8x16,
    x: [&[A; BLOCK]; M],
    with: [&Block; M],
    scales: [&Scales; Q],
    i: usize,
    out: &mut [[f32x4; M]; Q],
) {
    let form = F::FORM;
    let stretch = 8 / form.each;
    let run = A::run(form.bits()).min(stretch);
    let mut sums = [[A::ZERO; M]; Q];
    unrolled!(J => {
        for n in 0..Q {
            let weights = A::weights(codes(n, J));
            for m in 0..M {
                A::add(&mut sums[n][m], weights, x[m][4 * J..].first_chunk().expect("four columns"));
                if (J + 1) % run == 0 {
                    A::carry(&mut sums[n][m]);
                }
            }
        }
        if (J + 1) % stretch == 0 {
            let part = J / stretch;
            for n in 0..Q {
                let (scale, offset) = (scales[n].scale[i * form.each + part], scales[n].offset[i * form.each + part]);
                for m in 0..M {
                    let mut dot: i32x4 = A::total(std::mem::replace(&mut sums[n][m], A::ZERO));
                    if form.bias != 0 {
                        dot += i32x4::splat(with[m].biases[part]);
                    }
                    out[n][m] += dot.round_float() * (scale * f32x4::splat(with[m].d));
                    if form.bias == 0 {
                        out[n][m] += offset * f32x4::splat(with[m].totals[part]);
                    }
                }
            }
        }
    });
}
