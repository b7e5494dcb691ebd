//! `shaders/product/matmul.wgsl` on the CPU: a piece is four rows of weights, unpacked span by span, once for all rows of the
//! batch.

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized, Store as Activations};
use super::dots::Unpacked;
use super::floats::{self, Columns};
use super::formats::{Format, Part, form, with_format};
use super::halves::Half;
use super::layout::{ROWS, SPAN};
use super::matvec::put;
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::job::{Job, View};
use crate::kernels::table::matmul::{Bind, Params, Variant};
use crate::quant::TensorType;

pub static KERNEL: Kernel = Kernel { pieces, run };

/// Rows of the batch that share a load of weights.
const TILE: usize = 4;
/// The same, of floats: as many sums as hide how long each takes.
const FLOATS: usize = 8;
/// Columns of floats that stay in the first-level cache.
const STRETCH: usize = 512;

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
    columns: Columns,
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
    let Store { x, shorts, bytes, weights, unpacked_shorts, unpacked_bytes, columns, sums } = scratch.of();
    let exactness = job.exactness;
    if !kind.is_quantized() && exactness.apart {
        if kind == TensorType::F32 && !exactness.bytes {
            return in_floats(&dispatch, &part, columns, weights, sums, pieces);
        }
        let x = shorts.fill(job, rows, part.blocks, form, x, input);
        products::<Half, _>(
            &dispatch,
            &x,
            unpacked_shorts,
            sums,
            pieces,
            part.blocks,
            |unpacked, quad, first, count| {
                unpacked.round(floats::columns(&part, quad, 32 * first..32 * (first + count), weights), first);
            },
        );
    } else if !kind.is_quantized() {
        for quad in pieces {
            let w = floats::rows(&part, quad, weights);
            (0..rows).for_each(|r| dispatch.store(quad, r, floats::dot(w, b.x.floats(r * k..(r + 1) * k))));
        }
    } else if vector::HAS_BYTES && exactness.bytes && form.bits() < 8 {
        let x = bytes.fill(job, rows, part.blocks, form, x, input);
        with_format!(kind, F => quantized::<F, _>(&dispatch, &part, &x, unpacked_bytes, sums, pieces));
    } else {
        let x = shorts.fill(job, rows, part.blocks, form, x, input);
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
    products::<F, A>(dispatch, x, unpacked, sums, pieces, part.blocks, |unpacked, quad, first, count| {
        unpacked.fill::<F>(&part.quad(quad), part.blocks, first, count);
    });
}

/// `fill` takes so many of a quad's blocks, from the first of them on.
#[inline(always)]
fn products<F: Format, A: Activation>(
    dispatch: &Dispatch,
    x: &Quantized<A>,
    unpacked: &mut Unpacked<A>,
    sums: &mut Vec<f32x4>,
    pieces: Range<usize>,
    blocks: usize,
    mut fill: impl FnMut(&mut Unpacked<A>, usize, usize, usize),
) {
    let rows = dispatch.p.m as usize;
    sums.resize(rows, f32x4::ZERO);
    for quad in pieces {
        sums.fill(f32x4::ZERO);
        // Span by span: what is unpacked stays in the first-level cache, beside the activations that it is multiplied with.
        for first in (0..blocks).step_by(SPAN) {
            fill(unpacked, quad, first, SPAN.min(blocks - first));
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

/// Weights and activations as they are.
#[inline(never)]
fn in_floats(
    dispatch: &Dispatch,
    part: &Part,
    columns: &mut Columns,
    weights: &mut Vec<f32>,
    sums: &mut Vec<f32x4>,
    pieces: Range<usize>,
) {
    let (rows, k) = (dispatch.p.m as usize, part.blocks * 32);
    let x = |r: usize, from: usize| &dispatch.b.x.floats(r * k + from..(r + 1) * k)[..STRETCH.min(k - from)];
    sums.resize(rows, f32x4::ZERO);
    for quad in pieces {
        sums.fill(f32x4::ZERO);
        for from in (0..k).step_by(STRETCH) {
            columns.fill(floats::columns(part, quad, from..k.min(from + STRETCH), weights));
            let whole = rows / FLOATS * FLOATS;
            for r in (0..whole).step_by(FLOATS) {
                columns.add::<FLOATS>(std::array::from_fn(|i| x(r + i, from)), &mut sums[r..r + FLOATS]);
            }
            for r in whole..rows {
                columns.add::<1>([x(r, from)], &mut sums[r..r + 1]);
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
