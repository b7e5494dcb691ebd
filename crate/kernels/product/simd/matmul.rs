//! `shaders/product/matmul.wgsl` on the CPU: a piece is four rows of weights, unpacked once for all rows of the batch.

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized};
use super::floats;
use super::formats::{Format, Part, form, with_format};
use super::matvec::put;
use super::products::Unpacked;
use super::quads::ROWS;
use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::lanes;
use crate::kernels::params::MatMul;

pub static KERNEL: Kernel = Kernel { pieces, run };

/// Rows of the batch that share a load of weights.
const TILE: usize = 4;

fn pieces(job: &Job) -> usize {
    let p: MatMul = job.params();
    (p.n as usize).div_ceil(ROWS)
}

/// read: weights, weights (word view), x, bias; write: out.
fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let p: MatMul = job.params();
    let (kind, rows) = (job.kind(), p.m as usize);
    let part = Part::new(kind, job.all(0), p.planes, p.k_blocks as usize);
    let form = form(kind);
    let k = part.blocks * 32;
    let input = |r: usize, to: &mut [f32]| to.copy_from_slice(job.floats(2, r * k..(r + 1) * k));
    let Scratch { x, shorts, bytes, weights, unpacked_shorts, unpacked_bytes, .. } = scratch;
    if !kind.is_quantized() {
        for quad in pieces {
            let w = floats::rows(&part, quad, weights);
            (0..rows).for_each(|r| store(job, &p, quad, r, floats::dot(w, job.floats(2, r * k..(r + 1) * k))));
        }
    } else if lanes::HAS_BYTES && !job.precise && form.bits() < 8 {
        let x = bytes.fill(rows, part.blocks, form, x, input);
        with_format!(kind, F => quantized::<F, _>(job, &p, &part, &x, unpacked_bytes, pieces));
    } else {
        let x = shorts.fill(rows, part.blocks, form, x, input);
        with_format!(kind, F => quantized::<F, _>(job, &p, &part, &x, unpacked_shorts, pieces));
    }
}

/// A function for each type: engines compile one of all types for seconds, and badly.
#[inline(never)]
fn quantized<F: Format, A: Activation>(
    job: &Job,
    p: &MatMul,
    part: &Part,
    x: &Quantized<A>,
    unpacked: &mut Unpacked<A>,
    pieces: Range<usize>,
) {
    let rows = p.m as usize;
    for quad in pieces {
        unpacked.fill::<F>(&part.quad(quad), part.blocks);
        let whole = rows / TILE * TILE;
        for r in (0..whole).step_by(TILE) {
            let tile = unpacked.rows::<F, TILE>(std::array::from_fn(|i| x.row(r + i)));
            tile.into_iter().enumerate().for_each(|(i, y)| store(job, p, quad, r + i, y));
        }
        for r in whole..rows {
            let [y] = unpacked.rows::<F, 1>([x.row(r)]);
            store(job, p, quad, r, y);
        }
    }
}

fn store(job: &Job, p: &MatMul, quad: usize, r: usize, y: f32x4) {
    let column = p.column as usize + quad * ROWS;
    let count = ROWS.min(p.n as usize - quad * ROWS);
    let at = r * p.out_stride as usize + column;
    let bias = (p.has_bias != 0).then(|| job.floats(3, column..column + count));
    put(job.floats_mut(4, at..at + count), y, bias, p.accumulate != 0);
}
