//! `shaders/recurrent/scan_ready.wgsl` on the CPU.

use super::softplus::softplus;
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::scan_ready::{BLOCK, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, row: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (heads, groups, n, block) = (p.heads as usize, p.groups as usize, 4 * p.n4 as usize, BLOCK as usize);
        let [bias, a] = [0, 1].map(|k| b.heads.floats(k * heads..(k + 1) * heads));
        let first = row * p.dt_stride as usize + p.first_dt as usize;
        let dt = b.dt.floats(first..first + heads);
        let steps = b.steps.floats_mut(2 * row * heads..2 * (row + 1) * heads).as_chunks_mut::<2>().0;
        for (((to, dt), bias), a) in steps.iter_mut().zip(dt).zip(bias).zip(a) {
            let step = softplus(L::Number::of(*dt) + L::Number::of(*bias));
            *to = [(step * L::Number::of(*a)).exp().to_f32(), step.to_f32()];
        }
        let vector = |row: usize, number: usize| {
            let start = 4 * (row * p.stride4 as usize + heads * p.p4 as usize) + number * n;
            b.xbc.floats(start..start + n).as_chunks::<4>().0
        };
        for group in 0..groups {
            let start = (row * groups + group) * block;
            for (other, pair) in (row / block * block..).zip(b.pairs.floats_mut(start..start + block)) {
                *pair = 0.0;
                if other <= row {
                    let both = vector(other, group).iter().zip(vector(row, groups + group));
                    let sum = both.fold(L::splat(L::Number::default()), |sum, (b, c)| sum + L::load(b) * L::load(c));
                    *pair = sum.sum().to_f32();
                }
            }
        }
    }
}
