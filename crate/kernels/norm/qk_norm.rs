//! `shaders/norm/qk_norm.wgsl` on the CPU.

use super::normalise;
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
        let x = b.x.floats(start..start + q + 2 * k);
        let out = b.out.floats_mut(start..start + q + 2 * k);
        normalise::<L>(&x[..q], b.q_norm.floats(0..q), p.eps, &mut out[..q]);
        normalise::<L>(&x[q..q + k], b.k_norm.floats(0..k), p.eps, &mut out[q..q + k]);
        out[q + k..].copy_from_slice(&x[q + k..]);
    }
}
