//! `shaders/product/matvec.wgsl` on the CPU: a piece is four rows of weights (with the four that they gate, if they do).

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized};
use super::floats;
use super::formats::{Format, Part, form, with_format};
use super::products;
use super::quads::ROWS;
use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::lanes;
use crate::kernels::cpu::sized;
use crate::kernels::elementwise::simd::glu::activate;
use crate::kernels::norm::simd::rmsnorm::normalise;
use crate::kernels::params::MatVec;

pub static KERNEL: Kernel = Kernel { pieces, run };

fn pieces(job: &Job) -> usize {
    results(&job.params()).div_ceil(ROWS)
}

/// Numbers of a row of results.
fn results(p: &MatVec) -> usize {
    if p.glu != 0 { p.n as usize / 2 } else { p.n as usize }
}

/// read: weights, weights (word view), x, bias, norm, rows; write: out.
fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let p: MatVec = job.params();
    let (kind, rows) = (job.kind(), job.grid[1] as usize);
    let part = Part::new(kind, job.all(0), p.planes, p.k_blocks as usize);
    let form = form(kind);
    let Scratch { x, shorts, bytes, weights, .. } = scratch;
    if !kind.is_quantized() {
        let k = part.blocks * 32;
        let x = sized(x, rows * k);
        x.chunks_exact_mut(k).enumerate().for_each(|(r, x)| input(job, &p, r, x));
        store(job, &p, pieces, |quads, r| {
            quads.map(|quad| floats::dot(floats::rows(&part, quad, weights), &x[r * k..][..k]))
        });
    } else if lanes::HAS_BYTES && !job.precise && form.bits() < 8 {
        let x = bytes.fill(rows, part.blocks, form, x, |r, x| input(job, &p, r, x));
        with_format!(kind, F => quantized::<F, _>(job, &p, &part, &x, pieces));
    } else {
        let x = shorts.fill(rows, part.blocks, form, x, |r, x| input(job, &p, r, x));
        with_format!(kind, F => quantized::<F, _>(job, &p, &part, &x, pieces));
    }
}

/// A function for each type: engines compile one of all types for seconds, and badly.
#[inline(never)]
fn quantized<F: Format, A: Activation>(job: &Job, p: &MatVec, part: &Part, x: &Quantized<A>, pieces: Range<usize>) {
    store(job, p, pieces, |quads, r| products::row::<F, A, 2>(quads.map(|quad| part.quad(quad)), x.row(r)));
}

/// Row `r` of the batch, gathered and normalised.
fn input(job: &Job, p: &MatVec, r: usize, to: &mut [f32]) {
    let row = if p.gather != 0 { job.all(5)[r] as usize } else { r };
    let x = job.floats(2, row * to.len()..(row + 1) * to.len());
    if p.has_norm != 0 {
        normalise(x, job.floats(4, 0..to.len()), p.eps, to);
    } else {
        to.copy_from_slice(x);
    }
}

/// Writes what `dot(quads, r)` gives, with what the parameters add. Two quads at a time: each with its gates, or neighbours.
fn store(job: &Job, p: &MatVec, pieces: Range<usize>, mut dot: impl FnMut([usize; 2], usize) -> [f32x4; 2]) {
    let n = results(p);
    let rows = job.grid[1] as usize;
    let write = |quad: usize, r: usize, y: f32x4| {
        let column = p.column as usize + quad * ROWS;
        let count = ROWS.min(n - quad * ROWS);
        let at = r * p.out_stride as usize + column;
        let bias = (p.has_bias != 0).then(|| job.floats(3, column..column + count));
        put(job.floats_mut(6, at..at + count), y, bias, p.accumulate != 0);
    };
    // Two runs of memory, each read from its start to its end. Gates are as many rows further on: a multiple of 4, as of
    // 32. The middle one of an odd number is computed twice.
    let seconds = pieces.start + pieces.len().div_ceil(2);
    let (firsts, apart) = if p.glu != 0 { (pieces, n / ROWS) } else { (pieces.start..seconds, pieces.len() / 2) };
    for quad in firsts {
        for r in 0..rows {
            let [y, other] = dot([quad, quad + apart], r);
            if p.glu != 0 {
                write(quad, r, activate(y, p.glu == 2) * other);
            } else {
                write(quad, r, y);
                if quad + apart >= seconds {
                    write(quad + apart, r, other);
                }
            }
        }
    }
}

/// Up to four results of a row, to where they belong.
pub fn put(to: &mut [f32], mut y: f32x4, bias: Option<&[f32]>, accumulate: bool) {
    if let (Ok(to), None) = (<&mut [f32; 4]>::try_from(&mut *to), bias) {
        if accumulate {
            y += f32x4::new(*to);
        }
        *to = y.to_array();
        return;
    }
    for (i, (to, y)) in to.iter_mut().zip(y.to_array()).enumerate() {
        let y = y + bias.map_or(0.0, |bias| bias[i]);
        *to = if accumulate { *to + y } else { y };
    }
}
