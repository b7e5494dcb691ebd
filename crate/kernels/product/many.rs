//! Many rows of activations times quantized weights on the CPU: what the kernels for prompts share. Some fours of rows of
//! weights are unpacked at a time, once for all rows.

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized, panels};
use super::dots::Unpacked;
use super::formats::{Format, Part};
use super::layout::SPAN;

/// Rows of activations that share a load of weights: a panel of them.
pub const TILE: usize = 4;
/// Fours of rows of weights that share a load of activations, and fill a cache line of results.
pub const QUADS: usize = 4;
/// Spans of them that are unpacked at a time: what stays in the first-level cache.
const SPANS: usize = 2;

/// Unpacked spans of several fours of rows.
pub type Spans<A> = [[Unpacked<A>; SPANS]; QUADS];

/// What [`many`] is for a type.
pub type Many<A> = fn(&Part, Range<usize>, usize, &Quantized<A>, &mut Spans<A>, &mut Vec<f32x4>);

/// Up to [`QUADS`] fours of rows of a part times so many rows of activations. A function for each type, which the kernels
/// share: engines compile one of all types for seconds, and badly.
#[inline(never)]
pub fn many<F: Format, A: Activation>(
    part: &Part,
    quads: Range<usize>,
    rows: usize,
    x: &Quantized<A>,
    unpacked: &mut Spans<A>,
    sums: &mut Vec<f32x4>,
) {
    products::<F, A>(quads, rows, part.blocks, x, unpacked, sums, |unpacked, quad, first, count| {
        unpacked.fill::<F>(&part.quad(quad), part.blocks, first, count);
    });
}

/// The same; `fill` takes so many of a quad's blocks, from the first of them on.
#[inline(always)]
pub fn products<F: Format, A: Activation>(
    quads: Range<usize>,
    rows: usize,
    blocks: usize,
    x: &Quantized<A>,
    unpacked: &mut Spans<A>,
    sums: &mut Vec<f32x4>,
    mut fill: impl FnMut(&mut Unpacked<A>, usize, usize, usize),
) {
    sums.clear();
    sums.resize(rows.next_multiple_of(TILE) * QUADS, f32x4::ZERO);
    for begin in (0..blocks).step_by(SPANS * SPAN) {
        let firsts = (begin..blocks.min(begin + SPANS * SPAN)).step_by(SPAN);
        for (quad, spans) in quads.clone().zip(&mut *unpacked) {
            for (first, span) in firsts.clone().zip(spans) {
                fill(span, quad, first, SPAN.min(blocks - first));
            }
        }
        let spans = || unpacked[..quads.len()].iter().map(|spans| &spans[..firsts.len()]);
        for (first, width) in panels(rows, TILE) {
            let sums = &mut sums[first * QUADS..];
            if width == 1 {
                add::<F, A, 1>(spans(), x, first, sums);
            } else {
                add::<F, A, TILE>(spans(), x, first, sums);
            }
        }
    }
}

/// Adds the products of some spans of each quad with the M rows from `first` on to their sums, quad by quad.
#[inline(always)]
fn add<'a, F: Format, A: Activation + 'a, const M: usize>(
    quads: impl Iterator<Item = &'a [Unpacked<A>]>,
    x: &Quantized<A>,
    first: usize,
    sums: &mut [f32x4],
) {
    let x = x.panel::<M>(first);
    for (spans, sums) in quads.zip(sums.chunks_exact_mut(M)) {
        for span in spans {
            span.add::<F, M>(x, sums);
        }
    }
}

/// Gives `store` each row with what it has of such sums: those of the first quad, and so many further on those of the next.
#[inline(always)]
pub fn each_result<'a>(rows: usize, sums: &'a [f32x4], mut store: impl FnMut(usize, &'a [f32x4], usize)) {
    for (first, width) in panels(rows, TILE) {
        for r in first..rows.min(first + width) {
            store(r, &sums[first * QUADS + r - first..], width);
        }
    }
}

/// Such ranges of them as [`many`] takes.
pub fn groups(quads: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = quads.end;
    quads.step_by(QUADS).map(move |first| first..end.min(first + QUADS))
}
