//! `shaders/product/matmul.wgsl` on the CPU: a piece is sixteen rows of weights, unpacked some spans at a time, once for all
//! rows of the batch.

use std::ops::Range;

use wide::f32x4;

use super::activations::Store as Activations;
use super::dots::{Unpacked, fill_of};
use super::floats::{self, Columns};
use super::formats::{Format, Part, form, with_format};
use super::halves::Half;
use super::layout::ROWS;
use super::many::{Many, QUADS, Spans, TILE, each_result, groups, many, products};
use super::matvec::put;
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::job::{Job, Together, View};
use crate::kernels::table::matmul::{Bind, Params, Variant};
use crate::quant::TensorType;

pub static KERNEL: Kernel = Kernel { pieces, run };

/// Rows of floats that share a load of weights: as many sums as hide how long each takes.
const FLOATS: usize = 8;
/// So many rows make up for what it takes to make integers of quantized weights anew.
const ANEW: usize = 64;
/// Columns of floats that stay in the first-level cache.
const STRETCH: usize = 512;

fn pieces(job: &Job) -> usize {
    (job.params::<Variant>().n as usize).div_ceil(ROWS * QUADS)
}

/// What a thread keeps: rows of activations as integers; rows of weights, as floats, a span of them as it is
/// stored, and some spans of them unpacked; and sums for each row.
#[derive(Default)]
struct Store {
    shorts: Activations<i16>,
    bytes: Activations<i8>,
    weights: Vec<f32>,
    span: Unpacked<i16>,
    unpacked_shorts: Spans<i16>,
    unpacked_bytes: Spans<i8>,
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
    let input = |r: usize| b.x.floats(r * k..(r + 1) * k);
    let Store { shorts, bytes, weights, span, unpacked_shorts, unpacked_bytes, columns, sums } = scratch.of();
    let quads = pieces.start * QUADS..(pieces.end * QUADS).min((p.n as usize).div_ceil(ROWS));
    let exactness = job.exactness;
    let in_bytes = vector::HAS_BYTES && exactness.bytes && kind.is_quantized() && form.bits() < 8;
    let is_float = !kind.is_quantized();
    let in_floats = match exactness.together {
        Together::AsOne => false,
        Together::Rounded => kind == TensorType::F32 && !exactness.bytes,
        Together::Whole => is_float,
    };
    if in_floats {
        floats_together(&dispatch, &part, columns, weights, sums, quads);
    } else if exactness.together == Together::Rounded && !in_bytes && (rows >= ANEW || is_float) {
        let x = shorts.take(job, [rows, k, TILE], Half::FORM, input);
        let own = kind.is_quantized().then(|| fill_of(kind));
        for quads in groups(quads) {
            let round = |unpacked: &mut Unpacked<i16>, quad: usize, first: usize, count: usize| {
                let rows = match own {
                    Some(fill) => {
                        fill(span, &part.quad(quad), part.blocks, first, count);
                        span.rows(&form, weights)
                    }
                    None => floats::columns(&part, quad, 32 * first..32 * (first + count), weights),
                };
                unpacked.round(rows, first);
            };
            products::<Half, _>(quads.clone(), rows, part.blocks, &x, unpacked_shorts, sums, round);
            dispatch.store_all(quads, sums);
        }
    } else if is_float {
        for quad in quads {
            let w = floats::rows(&part, quad, weights);
            (0..rows)
                .for_each(|r| dispatch.store(quad..quad + 1, r, &[floats::dot(w, b.x.floats(r * k..(r + 1) * k))], 1));
        }
    } else if in_bytes {
        let x = bytes.take(job, [rows, k, TILE], form, input);
        let many: Many<i8> = with_format!(kind, F => many::<F, _>);
        for quads in groups(quads) {
            many(&part, quads.clone(), rows, &x, unpacked_bytes, sums);
            dispatch.store_all(quads, sums);
        }
    } else {
        let x = shorts.take(job, [rows, k, TILE], form, input);
        let many: Many<i16> = with_format!(kind, F => many::<F, _>);
        for quads in groups(quads) {
            many(&part, quads.clone(), rows, &x, unpacked_shorts, sums);
            dispatch.store_all(quads, sums);
        }
    }
}

/// Weights and activations as they are.
#[inline(never)]
fn floats_together(
    dispatch: &Dispatch,
    part: &Part,
    columns: &mut Columns,
    weights: &mut Vec<f32>,
    sums: &mut Vec<f32x4>,
    quads: Range<usize>,
) {
    let (rows, k) = (dispatch.p.m as usize, part.blocks * 32);
    let x = |r: usize, from: usize| &dispatch.b.x.floats(r * k + from..(r + 1) * k)[..STRETCH.min(k - from)];
    sums.resize(rows, f32x4::ZERO);
    for quad in quads {
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
        (0..rows).for_each(|r| dispatch.store(quad..quad + 1, r, &sums[r..], 1));
    }
}

/// A dispatch in the hands of a thread.
#[derive(Clone, Copy)]
struct Dispatch<'a> {
    p: Params,
    b: Bind<View<'a>>,
}

impl Dispatch<'_> {
    /// Writes all rows' results, which lie panel by panel, in each quad by quad.
    #[inline(never)]
    fn store_all(&self, quads: Range<usize>, sums: &[f32x4]) {
        let (p, rows, begin) = (&self.p, self.p.m as usize, quads.start * ROWS);
        if quads.len() < QUADS || begin + QUADS * ROWS > p.n as usize {
            return each_result(rows, sums, |r, sums, step| self.store(quads.clone(), r, sums, step));
        }
        let column = p.column as usize + begin;
        let columns = column..column + QUADS * ROWS;
        let bias = (p.has_bias != 0).then(|| self.b.bias.floats(columns).as_chunks::<ROWS>().0);
        each_result(rows, sums, |r, sums, step| {
            let at = r * p.out_stride as usize + column;
            let out = self.b.out.floats_mut(at..at + QUADS * ROWS).as_chunks_mut::<ROWS>().0;
            for (i, out) in out.iter_mut().enumerate() {
                let mut y = sums[i * step] * p.scale;
                if let Some(bias) = bias {
                    y += f32x4::new(bias[i]);
                }
                if p.accumulate != 0 {
                    y += f32x4::new(*out);
                }
                *out = y.to_array();
            }
        });
    }

    /// Writes a row's results: every `step`th of `sums`.
    #[inline(always)]
    fn store(&self, quads: Range<usize>, r: usize, sums: &[f32x4], step: usize) {
        let (p, begin) = (&self.p, quads.start * ROWS);
        let column = p.column as usize + begin;
        let count = (p.n as usize).min(quads.end * ROWS) - begin;
        let at = r * p.out_stride as usize + column;
        let out = self.b.out.floats_mut(at..at + count);
        let bias = (p.has_bias != 0).then(|| self.b.bias.floats(column..column + count));
        for i in 0..quads.len() {
            let range = i * ROWS..count.min((i + 1) * ROWS);
            put(&mut out[range.clone()], sums[i * step] * p.scale, bias.map(|bias| &bias[range]), p.accumulate != 0);
        }
    }
}
