//! `shaders/recurrent/delta_blocks.wgsl` on the CPU: a piece is a head of a sequence.

use super::{Part, load, store};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::delta_blocks::{BLOCK, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        let p = job.params::<Self>();
        p.heads as usize * p.rows as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let Some(Part { head, rows, from, to }) = Part::of(b.from_to.all(), p.rows, piece) else { return };
        let (heads, n4, n, block) = (p.heads as usize, p.n4 as usize, 4 * p.n4 as usize, BLOCK as usize);
        let keys = p.keys as usize;
        let (zero, q_first) = (L::Number::default(), head / p.per_key as usize % keys * n);
        let (k_first, v_first) = (q_first + keys * n, (2 * keys + head) * n);
        let numbers = |row: usize, first: usize| {
            let start = row * p.stride4 as usize * 4 + first;
            b.qkv.floats(start..start + n)
        };
        let step = |row: usize| {
            let start = 4 * (row * heads + head);
            b.steps.floats(start..start + 4).as_chunks::<4>().0[0].map(L::Number::of)
        };
        // Of a row, and another of its block.
        let pair = |row: usize, other: usize| {
            let start = 2 * ((row * heads + head) * block + other % block);
            b.pairs.floats(start..start + 2).as_chunks::<2>().0[0].map(L::Number::of)
        };
        for column in 0..n {
            let place = |number: u32| {
                let start = (number as usize * p.state4 as usize + p.first4 as usize + (head * n + column) * n4) * 4;
                start..start + n
            };
            let mut state: Vec<L> = load(b.states, from, place);
            let product = |state: &[L], other: &[f32]| {
                let both = state.iter().zip(other.as_chunks::<4>().0);
                both.fold(L::splat(zero), |sum, (s, x)| sum + *s * L::load(x)).sum()
            };
            let mut begin = rows.start;
            while begin < rows.end {
                let end = rows.end.min((begin / block + 1) * block);
                let mut learnt: Vec<L::Number> = Vec::new();
                for row in begin..end {
                    let [beta, seen, found, _] = step(row);
                    let v = L::Number::of(numbers(row, v_first)[column]);
                    let mut d = beta * v - seen * product(&state, numbers(row, k_first));
                    let mut sum = found * product(&state, numbers(row, q_first));
                    for (other, learnt) in (begin..row).zip(&learnt) {
                        let [seen, found] = pair(row, other);
                        d = d - seen * *learnt;
                        sum = sum + found * *learnt;
                    }
                    sum = sum + pair(row, row)[1] * d;
                    let at = (row * heads + head) * n + column;
                    b.out.floats_mut(at..at + 1)[0] = sum.to_f32();
                    learnt.push(d);
                }
                let decay = L::splat(pair(end - 1, end - 1)[0]);
                state.iter_mut().for_each(|s| *s = *s * decay);
                for (row, learnt) in (begin..end).zip(learnt) {
                    let by = L::splat(learnt * step(row)[3]);
                    let k = numbers(row, k_first).as_chunks::<4>().0;
                    state.iter_mut().zip(k).for_each(|(s, k)| *s = *s + L::load(k) * by);
                }
                begin = end;
            }
            store(state, b.states, place(to));
        }
    }
}
