//! `shaders/elementwise/scale_by.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::scale_by::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let n = p.n4 as usize * 4;
        let scale = L::splat(L::Number::of(b.scale.floats(0..1)[0]));
        let x = b.x.floats_mut(r * n..(r + 1) * n).as_chunks_mut::<4>().0;
        x.iter_mut().for_each(|x| *x = (L::load(x) * scale).store());
    }
}
