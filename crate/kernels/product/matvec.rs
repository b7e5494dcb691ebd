//! `shaders/product/matvec.wgsl` on the CPU: a piece is four rows of weights (with the four that they gate, if they do).

use std::ops::Range;

use wide::f32x4;

use super::activations::Store as Activations;
use super::dots::Two;
use super::formats::{Part, form, with_format};
use super::layout::ROWS;
use super::{dots, floats};
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch, sized};
use crate::kernels::elementwise::{gelu, silu};
use crate::kernels::job::{Job, View};
use crate::kernels::norm::normalise;
use crate::kernels::table::matvec::{Bind, Params, Variant};

pub static KERNEL: Kernel = Kernel { pieces, run };

fn pieces(job: &Job) -> usize {
    results(&job.params::<Variant>()).div_ceil(ROWS)
}

/// Numbers of a row of results.
fn results(p: &Params) -> usize {
    if p.glu != 0 { p.n as usize / 2 } else { p.n as usize }
}

/// What a thread keeps: rows of activations, as floats and as integers, and four rows of weights.
#[derive(Default)]
struct Store {
    x: Vec<f32>,
    shorts: Activations<i16>,
    bytes: Activations<i8>,
    weights: Vec<f32>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let dispatch = Dispatch { p: job.params::<Variant>(), b: job.bind::<Variant>() };
    let Dispatch { p, b } = dispatch;
    let rows = p.m as usize;
    let kind = job.variant::<Variant>().format;
    let part = Part::new(kind, b.weights.all(), p.planes, p.k_blocks as usize);
    let form = form(kind);
    let Store { x, shorts, bytes, weights } = scratch.of();
    if !kind.is_quantized() {
        let k = part.blocks * 32;
        let x = sized(x, rows * k);
        x.chunks_exact_mut(k).enumerate().for_each(|(r, x)| dispatch.input(r, x));
        dispatch.store(pieces, |quads, r| {
            quads.map(|quad| floats::dot(floats::rows(&part, quad, weights), &x[r * k..][..k]))
        });
    } else if vector::HAS_BYTES && job.exactness.bytes && form.bits() < 8 {
        let x = bytes.fill(job, [rows, part.blocks * 32, 1], form, x, |r, x| dispatch.input(r, x));
        let two: Two<i8> = with_format!(kind, F => dots::two::<F, _>);
        dispatch.store(pieces, |quads, r| two(&part, quads, x.panel(r)));
    } else {
        let x = shorts.fill(job, [rows, part.blocks * 32, 1], form, x, |r, x| dispatch.input(r, x));
        let two: Two<i16> = with_format!(kind, F => dots::two::<F, _>);
        dispatch.store(pieces, |quads, r| two(&part, quads, x.panel(r)));
    }
}

/// A dispatch in the hands of a thread.
#[derive(Clone, Copy)]
struct Dispatch<'a> {
    p: Params,
    b: Bind<View<'a>>,
}

impl Dispatch<'_> {
    /// Row `r` of the batch, gathered and normalised.
    fn input(&self, r: usize, to: &mut [f32]) {
        let row = if self.p.gather != 0 { self.b.rows.all()[r] as usize } else { r };
        let x = self.b.x.floats(row * to.len()..(row + 1) * to.len());
        if self.p.has_norm != 0 {
            normalise::<f32x4>(x, self.b.norm.floats(0..to.len()), self.p.eps, to);
        } else {
            to.copy_from_slice(x);
        }
    }

    /// Writes what `dot(quads, r)` gives, with what the parameters add. Two quads at a time: each with its gates, or
    /// neighbours.
    fn store(&self, pieces: Range<usize>, mut dot: impl FnMut([usize; 2], usize) -> [f32x4; 2]) {
        let (p, n) = (&self.p, results(&self.p));
        let write = |quad: usize, r: usize, y: f32x4| {
            let column = p.column as usize + quad * ROWS;
            let count = ROWS.min(n - quad * ROWS);
            let at = r * p.out_stride as usize + column;
            let bias = (p.has_bias != 0).then(|| self.b.bias.floats(column..column + count));
            put(self.b.out.floats_mut(at..at + count), y, bias, p.accumulate != 0);
        };
        // Two runs of memory, each read from its start to its end. Gates are as many rows further on: a multiple of 4,
        // as of 32. The middle one of an odd number is computed twice.
        let seconds = pieces.start + pieces.len().div_ceil(2);
        let (firsts, apart) = if p.glu != 0 { (pieces, n / ROWS) } else { (pieces.start..seconds, pieces.len() / 2) };
        for quad in firsts {
            for r in 0..p.m as usize {
                let [y, other] = dot([quad, quad + apart], r).map(|sums| sums * p.scale);
                match p.glu {
                    0 => {
                        write(quad, r, y);
                        if quad + apart >= seconds {
                            write(quad + apart, r, other);
                        }
                    }
                    1 => write(quad, r, silu(y) * other),
                    _ => write(quad, r, gelu(y) * other),
                }
            }
        }
    }
}

/// Up to four results of a row, to where they belong.
#[inline(always)]
pub fn put(to: &mut [f32], mut y: f32x4, bias: Option<&[f32]>, accumulate: bool) {
    if let Ok(to) = <&mut [f32; 4]>::try_from(&mut *to) {
        if let Some(bias) = bias {
            y += f32x4::new([bias[0], bias[1], bias[2], bias[3]]);
        }
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
