//! `shaders/experts/combine.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::combine::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (k, used) = (p.k4 as usize * 4, p.used as usize);
        let choices = b.choices.floats(2 * r * used..2 * (r + 1) * used).as_chunks::<2>().0;
        let y = b.y.floats(r * used * k..(r + 1) * used * k);
        let out = b.out.floats_mut(r * k..(r + 1) * k).as_chunks_mut::<4>().0;
        for (i, to) in out.iter_mut().enumerate() {
            let mut sum = if p.accumulate != 0 { L::load(to) } else { L::splat(L::Number::default()) };
            for (&[_, weight], y) in choices.iter().zip(y.chunks_exact(k)) {
                sum = sum + L::splat(L::Number::of(weight)) * L::load(&y.as_chunks::<4>().0[i]);
            }
            *to = sum.store();
        }
    }
}
