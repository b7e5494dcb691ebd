//! `shaders/norm/qk_norm.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::qk_norm::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (q, k) = (p.q4 as usize * 4, p.k4 as usize * 4);
        let start = r * (q + 2 * k);
        let (queries, keys) = b.x.floats_mut(start..start + q + k).split_at_mut(q);
        let (q_weight, k_weight) = b.weight.floats(0..q + k).split_at(q);
        for (x, weight, parts) in [(queries, q_weight, p.q_parts), (keys, k_weight, p.k_parts)] {
            let length = x.len() / parts as usize;
            let parts = x.chunks_exact_mut(length).zip(weight.chunks_exact(length));
            parts.for_each(|(x, weight)| norm::<L>(x, weight, p.layer != 0, p.eps));
        }
    }
}

/// x = (x - mean) / sqrt(mean((x - mean)²) + eps) · weight, where mean is 0 if it is no layer norm.
fn norm<L: Lanes>(x: &mut [f32], weight: &[f32], layer: bool, eps: f32) {
    let (x, weight) = (x.as_chunks_mut::<4>().0, weight.as_chunks::<4>().0);
    let zero = L::splat(L::Number::default());
    let length = L::Number::of(4.0 * x.len() as f32);
    let sum = x.iter().filter(|_| layer).fold(zero, |sum, x| sum + L::load(x)).sum();
    let mean = L::splat(sum / length);
    let centred = |x: &[f32; 4]| L::load(x) - mean;
    let variance = x.iter().map(centred).fold(zero, |sum, v| sum + v * v).sum() / length;
    let scale = L::splat(L::Number::of(1.0) / (variance + L::Number::of(eps)).sqrt());
    for (x, weight) in x.iter_mut().zip(weight) {
        *x = (centred(x) * scale * L::load(weight)).store();
    }
}
