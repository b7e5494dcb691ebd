//! `shaders/elementwise/gate_by.wgsl` on the CPU.

use super::{each, gelu, sigmoid};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::choices::Gate;
use crate::kernels::table::gate_by::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let n = p.n4 as usize * 4;
        let from = (r * p.stride4 as usize + p.first4 as usize) * 4;
        let out = b.out.floats_mut(r * n..(r + 1) * n);
        let (x, y) = (b.x.floats(r * n..(r + 1) * n), b.y.floats(from..from + n));
        match job.variant::<Self>().gate {
            Gate::GeluGlu => each::<L>(x, y, out, gelu),
            Gate::SigmoidGlu => each::<L>(x, y, out, sigmoid),
        }
    }
}
