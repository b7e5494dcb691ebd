//! `shaders/recurrent/scan_out.wgsl` on the CPU.

use super::NONE;
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::scan_out::{BLOCK, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.params::<Self>().rows as usize
    }

    fn row<L: Lanes>(job: &Job, t: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (heads, groups, p4, n) = (p.heads as usize, p.groups as usize, p.p4 as usize, 4 * p.n4 as usize);
        let (all, block) = (heads * p4, t / BLOCK as usize * BLOCK as usize);
        let [from, _, place, _] = b.from_to.all().as_chunks::<4>().0[t];
        let first = t - place as usize;
        let number = |x: f32| L::splat(L::Number::of(x));
        let numbers = |row: usize, first: usize, length: usize| {
            let start = 4 * row * p.stride4 as usize + first;
            b.xbc.floats(start..start + length)
        };
        let x = |row: usize, four: usize| L::load(&numbers(row, 4 * four, 4).as_chunks::<4>().0[0]);
        for four in 0..all {
            let (head, group) = (four / p4, four * groups / all);
            let mut sum = number(0.0);
            if first < block || from != NONE {
                for (k, c) in numbers(t, 4 * all + (groups + group) * n, n).iter().enumerate() {
                    let kept = 4 * ((block / BLOCK as usize * n + k) * all + four);
                    let state = 4 * (from as usize * p.state4 as usize + p.first4 as usize + four * n + k);
                    let four =
                        if first < block { b.kept.floats(kept..kept + 4) } else { b.states.floats(state..state + 4) };
                    sum = sum + L::load(&four.as_chunks::<4>().0[0]) * number(*c);
                }
            }
            for row in first.max(block)..=t {
                let at = 2 * (row * heads + head);
                let [decay, step] = [at, at + 1].map(|at| number(b.steps.floats(at..at + 1)[0]));
                let pair = (t * groups + group) * BLOCK as usize + row - block;
                sum = sum * decay + x(row, four) * step * number(b.pairs.floats(pair..pair + 1)[0]);
            }
            let d = number(b.heads.floats(2 * heads..3 * heads)[head]);
            let start = 4 * (t * all + four);
            b.out.floats_mut(start..start + 4).copy_from_slice(&(sum + x(t, four) * d).store());
        }
    }
}
