//! `shaders/FAMILY/NAME.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::NAME::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let n = p.n4 as usize * 4;
        let x = b.x.floats(r * n..(r + 1) * n);
        let out = b.out.floats_mut(r * n..(r + 1) * n);
        for (x, out) in x.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
            *out = L::load(x).store();
        }
    }
}
