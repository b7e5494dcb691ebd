//! `shaders/product/matvec_experts.wgsl` on the CPU: a piece is four rows of an expert (with the four that they gate, if
//! they do), or eight, for one row of results.

use std::ops::Range;

use wide::{f32x4, f64x4};

use super::activations::Store as Activations;
use super::dots::Two;
use super::formats::{Part, form, with_format};
use super::layout::ROWS;
use super::matvec::put;
use super::{dots, floats};
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch, sized};
use crate::kernels::elementwise::{gelu, silu};
use crate::kernels::face::OnCpu;
use crate::kernels::job::{Job, View};
use crate::kernels::norm::normalise;
use crate::kernels::table::matvec_experts::{Bind, Params, Variant};
use crate::kernels::weights::dequantized;

static KERNEL: Kernel = Kernel { pieces, run };

impl OnCpu for Variant {
    const SIMD: Option<&'static Kernel> = Some(&KERNEL);

    fn mirror(job: &Job) {
        mirror(&Dispatch::new(job), job.variant::<Self>().format);
    }
}

fn pieces(job: &Job) -> usize {
    let dispatch = Dispatch::new(job);
    dispatch.pieces_of_row() * dispatch.rows
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
    let dispatch = Dispatch::new(job);
    let kind = job.variant::<Variant>().format;
    let part = Part::new(kind, dispatch.b.weights.all(), dispatch.p.planes, dispatch.p.k_blocks as usize);
    let form = form(kind);
    let Store { x, shorts, bytes, weights } = scratch.of();
    let inputs = dispatch.inputs();
    let input = |r: usize, to: &mut [f32]| dispatch.input(r, to);
    if !kind.is_quantized() {
        let k = part.blocks * 32;
        let x = sized(x, inputs * k);
        x.chunks_exact_mut(k).enumerate().for_each(|(r, x)| input(r, x));
        dispatch.store(pieces, |quads, r| {
            quads.map(|quad| floats::dot(floats::rows(&part, quad, weights), &x[r * k..][..k]))
        });
    } else if vector::HAS_BYTES && job.exactness.bytes && form.bits() < 8 {
        let x = bytes.fill(job, [inputs, part.blocks * 32, 1], form, x, input);
        let two: Two<i8> = with_format!(kind, F => dots::two::<F, _>);
        dispatch.store(pieces, |quads, r| two(&part, quads, x.panel(r)));
    } else {
        let x = shorts.fill(job, [inputs, part.blocks * 32, 1], form, x, input);
        let two: Two<i16> = with_format!(kind, F => dots::two::<F, _>);
        dispatch.store(pieces, |quads, r| two(&part, quads, x.panel(r)));
    }
}

/// A dispatch in the hands of a thread.
#[derive(Clone, Copy)]
struct Dispatch<'a> {
    p: Params,
    b: Bind<View<'a>>,
    /// Rows of results.
    rows: usize,
}

impl Dispatch<'_> {
    fn new<'a>(job: &Job<'a>) -> Dispatch<'a> {
        Dispatch { p: job.params::<Variant>(), b: job.bind::<Variant>(), rows: job.grid[1] as usize }
    }

    /// Choices of a row of results.
    fn count(&self) -> usize {
        if self.p.summed != 0 { self.p.used as usize } else { 1 }
    }

    /// Pieces of a row of results: each is two fours of rows of weights.
    fn pieces_of_row(&self) -> usize {
        self.p.n as usize / (2 * ROWS)
    }

    /// Rows of activations.
    fn inputs(&self) -> usize {
        if self.p.summed != 0 { self.rows * self.p.used as usize } else { self.rows / self.p.used as usize }
    }

    /// A row of activations, normed.
    fn input(&self, r: usize, to: &mut [f32]) {
        let x = self.b.x.floats(r * to.len()..(r + 1) * to.len());
        if self.p.has_norm != 0 {
            normalise::<f32x4>(x, self.b.norm.floats(0..to.len()), self.p.eps, to);
        } else {
            to.copy_from_slice(x);
        }
    }

    /// Of the choices of row of results `o` those that are here: their expert, its place in the part, what it counts, and
    /// the row of activations.
    fn choices(&self, o: usize) -> impl Iterator<Item = (usize, usize, f32, usize)> {
        let (count, used, summed) = (self.count(), self.p.used as usize, self.p.summed != 0);
        let choices = self.b.choices.floats(2 * o * count..2 * (o + 1) * count).as_chunks::<2>().0;
        let (first, here) = (self.p.first_expert as usize, self.p.n_experts as usize);
        choices.iter().enumerate().filter_map(move |(c, &[expert, weight])| {
            let expert = expert as usize;
            let (weight, row) = if summed { (weight, o * count + c) } else { (1.0, o / used) };
            let place = expert.checked_sub(first).filter(|&place| place < here)?;
            Some((expert, place, weight, row))
        })
    }

    /// Writes what `dot(quads, row)` gives, with what the parameters add.
    fn store(&self, pieces: Range<usize>, mut dot: impl FnMut([usize; 2], usize) -> [f32x4; 2]) {
        let (p, of_row) = (&self.p, self.pieces_of_row());
        let quads_each = p.n as usize / ROWS;
        for piece in pieces {
            let (o, piece) = (piece / of_row, piece % of_row);
            let quads = if p.glu != 0 { [piece, piece + quads_each / 2] } else { [2 * piece, 2 * piece + 1] };
            let start = o * p.out_stride as usize;
            let column = p.column as usize + quads[0] * ROWS;
            let (mut sums, mut here) = ([f32x4::ZERO; 2], p.summed != 0);
            for (expert, place, weight, row) in self.choices(o) {
                here = true;
                let weight = f32x4::splat(weight);
                let y = dot(quads.map(|quad| place * quads_each + quad), row);
                for (i, y) in y.into_iter().enumerate() {
                    let bias = match p.has_bias {
                        0 => f32x4::ZERO,
                        _ => {
                            let at = expert * p.out_stride as usize + column + i * ROWS;
                            f32x4::new(*self.b.bias.floats(at..at + ROWS).first_chunk().expect("four"))
                        }
                    };
                    sums[i] += weight * (y + bias);
                }
            }
            if !here {
                continue;
            }
            let [y, other] = sums;
            let write = |at: usize, y: f32x4| put(self.b.out.floats_mut(at..at + ROWS), y, None, p.accumulate != 0);
            match p.glu {
                0 => {
                    write(start + column, y);
                    write(start + column + ROWS, other);
                }
                1 => write(start + column, silu(y) * other),
                _ => write(start + column, gelu(y) * other),
            }
        }
    }
}

/// In plain loops and double precision.
fn mirror(d: &Dispatch, kind: crate::quant::TensorType) {
    let (p, n, k) = (&d.p, d.p.n as usize, d.p.k_blocks as usize * 32);
    let w = dequantized(d.b.weights, kind, p.planes, p.n_experts as usize * n * k);
    let (bias, out) = (d.b.bias.all_floats(), d.b.out.all_floats_mut());
    for o in 0..d.rows {
        if p.summed == 0 && d.choices(o).next().is_none() {
            continue;
        }
        let y = |i: usize| -> f64 {
            let of = |(expert, place, weight, row): (usize, usize, f32, usize)| {
                let mut x = d.b.x.floats(row * k..(row + 1) * k).to_vec();
                let mut scale = f64::from(weight);
                if p.has_norm != 0 {
                    let mean = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / k as f64;
                    scale /= (mean + f64::from(p.eps)).sqrt();
                    x.iter_mut().zip(d.b.norm.floats(0..k)).for_each(|(v, norm)| *v *= norm);
                }
                let row = &w[(place * n + i) * k..][..k];
                let sum: f64 = row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                let at = expert * p.out_stride as usize + p.column as usize + i;
                scale * sum + if p.has_bias != 0 { f64::from(weight) * f64::from(bias[at]) } else { 0.0 }
            };
            d.choices(o).map(of).sum()
        };
        for i in 0..if p.glu != 0 { n / 2 } else { n } {
            let mut sum = y(i);
            if p.glu != 0 {
                let gate = f64x4::splat(sum);
                sum = if p.glu == 2 { gelu(gate) } else { silu(gate) }.to_array()[0] * y(n / 2 + i);
            }
            let to = &mut out[o * p.out_stride as usize + p.column as usize + i];
            *to = if p.accumulate != 0 { *to + sum as f32 } else { sum as f32 };
        }
    }
}
