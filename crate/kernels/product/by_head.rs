//! `shaders/product/by_head.wgsl` on the CPU: a piece is a head, whose rows of weights are unpacked once for all rows
//! of the batch.

use std::ops::Range;

use wide::f32x4;

use super::formats::Part;
use crate::kernels::cpu::{Kernel, Scratch, math, sized};
use crate::kernels::face::OnCpu;
use crate::kernels::gather::{Weights, row_of};
use crate::kernels::job::Job;
use crate::kernels::table::by_head::{Params, Variant};
use crate::kernels::weights::dequantized;

static KERNEL: Kernel = Kernel { pieces, run };

impl OnCpu for Variant {
    const SIMD: Option<&'static Kernel> = Some(&KERNEL);

    fn mirror(job: &Job) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let k = p.k_blocks as usize * 32;
        let w = dequantized(b.weights, job.variant::<Self>().format, p.planes, (p.n_heads * p.each) as usize * k);
        let turned = job.variant::<Self>().turned;
        for (r, h) in (0..rows(job, &p)).flat_map(|r| (0..p.n_heads as usize).map(move |h| (r, h))) {
            let weight = |row: usize, i: usize| f64::from(w[(first_row(&p, h) + row) * k + i]);
            let x = b.x.floats(x_of(&p, r, h, if turned { p.count as usize } else { k }));
            let out = b.out.floats_mut(out_of(&p, r, h, if turned { k } else { p.count as usize }));
            for (j, out) in out.iter_mut().enumerate() {
                let product = |(i, &x): (usize, &f32)| f64::from(x) * if turned { weight(i, j) } else { weight(j, i) };
                *out = (f64::from(p.scale) * x.iter().enumerate().map(product).sum::<f64>()) as f32;
            }
        }
    }
}

/// Rows of the batch.
fn rows(job: &Job, p: &Params) -> usize {
    (job.grid[1] / p.n_heads) as usize
}

fn first_row(p: &Params, h: usize) -> usize {
    h * p.each as usize + p.first as usize
}

/// A head's numbers, in a row of x.
fn x_of(p: &Params, r: usize, h: usize, length: usize) -> Range<usize> {
    let from = 4 * (r * p.x_stride4 as usize + h * p.x_head4 as usize);
    from..from + length
}

fn out_of(p: &Params, r: usize, h: usize, length: usize) -> Range<usize> {
    let from = r * p.out_stride as usize + h * p.out_head as usize;
    from..from + length
}

fn pieces(job: &Job) -> usize {
    job.params::<Variant>().n_heads as usize
}

/// What a thread keeps: what rows are unpacked in, and one.
#[derive(Default)]
struct Store {
    four: Weights,
    row: Vec<f32>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let Variant { format, turned, .. } = job.variant::<Variant>();
    let Store { four, row } = scratch.of();
    let part = Part::new(format, b.weights.all(), p.planes, p.k_blocks as usize);
    let k = p.k_blocks as usize * 32;
    let weights = sized(row, k);
    for h in pieces {
        for j in 0..p.count as usize {
            row_of(&part, first_row(&p, h) + j, p.scale, four, weights);
            for r in 0..rows(job, &p) {
                if turned {
                    let x = b.x.floats(x_of(&p, r, h, p.count as usize))[j];
                    add(weights, x, b.out.floats_mut(out_of(&p, r, h, k)), j > 0);
                } else {
                    let sum = dot(weights, b.x.floats(x_of(&p, r, h, k)));
                    b.out.floats_mut(out_of(&p, r, h, p.count as usize))[j] = sum;
                }
            }
        }
    }
}

/// Two sums that do not wait for each other.
fn dot(w: &[f32], x: &[f32]) -> f32 {
    let mut sums = [f32x4::ZERO; 2];
    for (w, x) in w.as_chunks::<8>().0.iter().zip(x.as_chunks::<8>().0) {
        let halves = |v: &[f32; 8]| -> [f32x4; 2] { bytemuck::cast(*v) };
        for (sum, (w, x)) in sums.iter_mut().zip(halves(w).into_iter().zip(halves(x))) {
            *sum = w.mul_add(x, *sum);
        }
    }
    math::sum(sums[0] + sums[1])
}

/// out = w · x, or added to what is there.
fn add(w: &[f32], x: f32, out: &mut [f32], there: bool) {
    let x = f32x4::splat(x);
    for (w, out) in w.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        let sum = if there { f32x4::new(*out) } else { f32x4::ZERO };
        *out = f32x4::new(*w).mul_add(x, sum).to_array();
    }
}
