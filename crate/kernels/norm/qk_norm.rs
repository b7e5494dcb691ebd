//! `shaders/norm/qk_norm.wgsl` on the CPU.

use super::{moments, rms_scale};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
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
        let biases = if p.layer == 2 { b.weight.floats(q + k..2 * (q + k)) } else { &[] };
        let (q_bias, k_bias) = biases.split_at(q.min(biases.len()));
        for (x, weight, bias, parts) in [(queries, q_weight, q_bias, p.q_parts), (keys, k_weight, k_bias, p.k_parts)] {
            let length = x.len() / parts as usize;
            let parts = x.chunks_exact_mut(length).zip(weight.chunks_exact(length));
            parts.for_each(|(x, weight)| norm::<L>(x, weight, p.layer != 0, p.eps));
            let biases = x.as_chunks_mut::<4>().0.iter_mut().zip(bias.as_chunks::<4>().0);
            biases.for_each(|(x, bias)| *x = (L::load(x) + L::load(bias)).store());
        }
    }
}

/// x = (x - mean) / sqrt(mean((x - mean)²) + eps) · weight, where mean is 0 if it is no layer norm.
fn norm<L: Lanes>(x: &mut [f32], weight: &[f32], layer: bool, eps: f32) {
    let (mean, scale) = match layer {
        true => moments::<L>(x.as_chunks().0, x.len(), eps, true),
        false => (L::splat(L::Number::default()), L::splat(rms_scale::<L>(x, eps))),
    };
    for (x, weight) in x.as_chunks_mut::<4>().0.iter_mut().zip(weight.as_chunks::<4>().0) {
        *x = ((L::load(x) - mean) * scale * L::load(weight)).store();
    }
}
