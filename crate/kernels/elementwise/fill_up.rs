//! `shaders/elementwise/fill_up.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::fill_up::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (length, room) = (p.length4 as usize * 4, p.room4 as usize * 4);
        let (out, rest) = b.out.floats_mut(r * room..(r + 1) * room).split_at_mut(length);
        out.copy_from_slice(b.x.floats(r * length..(r + 1) * length));
        rest.fill(0.0);
    }
}
