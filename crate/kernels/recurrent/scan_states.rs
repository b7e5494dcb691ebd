//! `shaders/recurrent/scan_states.wgsl` on the CPU: a piece is a head of a sequence.

use super::{Part, load, store};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::scan_states::{BLOCK, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        let p = job.params::<Self>();
        p.heads as usize * p.rows as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let Some(Part { head, rows, from, to }) = Part::of(b.from_to.all(), p.rows, piece) else { return };
        let (heads, p4, n, block) = (p.heads as usize, p.p4 as usize, 4 * p.n4 as usize, BLOCK as usize);
        let all = heads * p4;
        let b_first = 4 * all + head / (heads / p.groups as usize) * n;
        let number = |x: f32| L::splat(L::Number::of(x));
        for four in head * p4..(head + 1) * p4 {
            let place = |number: u32| {
                let start = (number as usize * p.state4 as usize + p.first4 as usize + four * n) * 4;
                start..start + 4 * n
            };
            let mut state: Vec<L> = load(b.states, from, place);
            for row in rows.clone() {
                if row % block == 0 && row > rows.start {
                    for (k, state) in state.iter().enumerate() {
                        let start = 4 * ((row / block * n + k) * all + four);
                        b.kept.floats_mut(start..start + 4).copy_from_slice(&state.store());
                    }
                }
                let start = 4 * row * p.stride4 as usize;
                let at = 2 * (row * heads + head);
                let [decay, step] = [at, at + 1].map(|at| number(b.steps.floats(at..at + 1)[0]));
                let x = L::load(&b.xbc.floats(start..start + 4 * all).as_chunks::<4>().0[four]) * step;
                let inputs = b.xbc.floats(start + b_first..start + b_first + n);
                state.iter_mut().zip(inputs).for_each(|(s, b)| *s = *s * decay + x * number(*b));
            }
            store(state, b.states, place(to));
        }
    }
}
