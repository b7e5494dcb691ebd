//! `shaders/recurrent/delta.wgsl` on the CPU: a piece is a head of a sequence.

use super::delta_step::{self, Step};
use super::{Part, load, store};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::delta::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        let p = job.params::<Self>();
        p.heads as usize * p.rows as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let Some(Part { head, rows, from, to }) = Part::of(b.from_to.all(), p.rows, piece) else { return };
        let (heads, n4, n) = (p.heads as usize, p.n4 as usize, 4 * p.n4 as usize);
        let (keys, per) = (p.keys as usize, p.per as usize);
        let q_first = head / p.per_key as usize % keys * n;
        let (k_first, v_first) = (q_first + keys * n, (2 * keys + head) * n);
        let floats = |row: usize, first: usize, length: usize| {
            let start = row * p.stride4 as usize * 4 + first;
            b.qkv.floats(start..start + length)
        };
        let of_head = [0, 1].map(|k| L::Number::of(b.heads.floats(k * heads..(k + 1) * heads)[head]));
        let steps = rows.clone().map(|row| {
            let (q, k) = (floats(row, q_first, n), floats(row, k_first, n));
            let at = row * p.decay_stride as usize + delta_step::place(head, per);
            let decays = [at, at + per].map(|at| b.decays.floats(at..at + 1)[0]);
            let step = Step::of::<L>(decays, of_head, [q, k], p.eps);
            let both = delta_step::product::<L>(k, q) * step.k * step.q;
            (step, both)
        });
        let steps: Vec<(Step<L::Number>, L::Number)> = steps.collect();
        for four in 0..n4 {
            let kept = |number: u32| {
                let start = (number as usize * p.state4 as usize + p.first4 as usize + (head * n + 4 * four) * n4) * 4;
                start..start + 4 * n
            };
            let mut state: Vec<L> = load(b.states, from, kept);
            for (row, (step, both)) in rows.clone().zip(&steps) {
                let [q, k] = [q_first, k_first].map(|first| floats(row, first, n).as_chunks::<4>().0);
                let v = floats(row, v_first + 4 * four, 4);
                let start = (row * heads + head) * n + 4 * four;
                let out = b.out.floats_mut(start..start + 4);
                for ((state, v), out) in state.chunks_exact_mut(n4).zip(v).zip(out) {
                    let [seen, found] = products(state, k, q);
                    let learnt = step.beta * (L::Number::of(*v) - step.decay * step.k * seen);
                    *out = (step.decay * step.q * found + *both * learnt).to_f32();
                    let (decay, by) = (L::splat(step.decay), L::splat(step.k * learnt));
                    state.iter_mut().zip(k).for_each(|(s, k)| *s = *s * decay + L::load(k) * by);
                }
            }
            store(state, b.states, kept(to));
        }
    }
}

/// A row of a state times k, and times q: two sums of each that do not wait for each other.
#[inline(always)]
fn products<L: Lanes>(state: &[L], k: &[[f32; 4]], q: &[[f32; 4]]) -> [L::Number; 2] {
    let mut sums = [[L::splat(L::Number::default()); 2]; 2];
    for (i, ((s, k), q)) in state.iter().zip(k).zip(q).enumerate() {
        let [seen, found] = &mut sums[i % 2];
        *seen = *seen + *s * L::load(k);
        *found = *found + *s * L::load(q);
    }
    [0, 1].map(|of| (sums[0][of] + sums[1][of]).sum())
}
