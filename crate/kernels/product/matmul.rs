//! `shaders/product/matmul.wgsl` on the CPU: a piece is four rows of weights, unpacked span by span, once for all rows of the
//! batch.

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized, Store as Activations};
use super::dots::Unpacked;
use super::floats;
use super::formats::{Format, Part, form, with_format};
use super::layout::{ROWS, SPAN};
use super::matvec::put;
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::job::{Job, View};
use crate::kernels::table::matmul::{Bind, Params, Variant};

pub static KERNEL: Kernel = Kernel { pieces, run };

/// Rows of the batch that share a load of weights.
const TILE: usize = 4;

fn pieces(job: &Job) -> usize {
    (job.params::<Variant>().n as usize).div_ceil(ROWS)
}

/// What a thread keeps: rows of activations, as floats and as integers; four rows of weights, as floats
/// and a span of them unpacked; and a sum for each row.
#[derive(Default)]
struct Store {
    x: Vec<f32>,
    shorts: Activations<i16>,
    bytes: Activations<i8>,
    weights: Vec<f32>,
    unpacked_shorts: Unpacked<i16>,
    unpacked_bytes: Unpacked<i8>,
    sums: Vec<f32x4>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let dispatch = Dispatch { p: job.params::<Variant>(), b: job.bind::<Variant>() };
    let Dispatch { p, b } = dispatch;
    let (kind, rows) = (job.variant::<Variant>().format, p.m as usize);
    let part = Part::new(kind, b.weights.all(), p.planes, p.k_blocks as usize);
    let form = form(kind);
    let k = part.blocks * 32;
    let input = |r: usize, to: &mut [f32]| to.copy_from_slice(b.x.floats(r * k..(r + 1) * k));
    let Store { x, shorts, bytes, weights, unpacked_shorts, unpacked_bytes, sums } = scratch.of();
    if !kind.is_quantized() {
        for quad in pieces {
            let w = floats::rows(&part, quad, weights);
            (0..rows).for_each(|r| dispatch.store(quad, r, floats::dot(w, b.x.floats(r * k..(r + 1) * k))));
        }
    } else if vector::HAS_BYTES && !job.precise && form.bits() < 8 {
        let x = bytes.fill(rows, part.blocks, form, x, input);
        with_format!(kind, F => quantized::<F, _>(&dispatch, &part, &x, unpacked_bytes, sums, pieces));
    } else {
        let x = shorts.fill(rows, part.blocks, form, x, input);
        with_format!(kind, F => quantized::<F, _>(&dispatch, &part, &x, unpacked_shorts, sums, pieces));
    }
}

/// A function for each type: engines compile one of all types for seconds, and badly.
#[inline(never)]
fn quantized<F: Format, A: Activation>(
    dispatch: &Dispatch,
    part: &Part,
    x: &Quantized<A>,
    unpacked: &mut Unpacked<A>,
    sums: &mut Vec<f32x4>,
    pieces: Range<usize>,
) {
    let rows = dispatch.p.m as usize;
    sums.resize(rows, f32x4::ZERO);
    for quad in pieces {
        sums.fill(f32x4::ZERO);
        // Span by span: what is unpacked stays in the first-level cache, beside the activations that it is multiplied with.
        for first in (0..part.blocks).step_by(SPAN) {
            unpacked.fill::<F>(&part.quad(quad), part.blocks, first, SPAN.min(part.blocks - first));
            let whole = rows / TILE * TILE;
            for r in (0..whole).step_by(TILE) {
                unpacked.add::<F, TILE>(std::array::from_fn(|i| x.row(r + i)), &mut sums[r..r + TILE]);
            }
            for r in whole..rows {
                unpacked.add::<F, 1>([x.row(r)], &mut sums[r..r + 1]);
            }
        }
        sums.iter().enumerate().for_each(|(r, &y)| dispatch.store(quad, r, y));
    }
}

/// A dispatch in the hands of a thread.
#[derive(Clone, Copy)]
struct Dispatch<'a> {
    p: Params,
    b: Bind<View<'a>>,
}

impl Dispatch<'_> {
    fn store(&self, quad: usize, r: usize, y: f32x4) {
        let p = &self.p;
        let column = p.column as usize + quad * ROWS;
        let count = ROWS.min(p.n as usize - quad * ROWS);
        let at = r * p.out_stride as usize + column;
        let bias = (p.has_bias != 0).then(|| self.b.bias.floats(column..column + count));
        put(self.b.out.floats_mut(at..at + count), y * p.scale, bias, p.accumulate != 0);
    }
}
