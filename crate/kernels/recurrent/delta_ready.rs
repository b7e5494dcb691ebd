//! `shaders/recurrent/delta_ready.wgsl` on the CPU: a piece is a block of a head.

use super::delta_step::{self, Step};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::delta_ready::{BLOCK, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        (job.grid[0] * job.grid[1]) as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (heads, n, block) = (p.heads as usize, 4 * p.n4 as usize, BLOCK as usize);
        let (begin, head) = (piece / heads * block, piece % heads);
        let rows = begin..(begin + block).min(p.rows as usize);
        let key = head / p.per_key as usize % p.keys as usize;
        let vector = |row: usize, number: usize| {
            let start = 4 * row * p.stride4 as usize + number * n;
            b.qkv.floats(start..start + n)
        };
        let of_head = [0, 1].map(|k| L::Number::of(b.heads.floats(k * heads..(k + 1) * heads)[head]));
        let said = |row: usize| {
            let at = row * p.decay_stride as usize + delta_step::place(head, p.per as usize);
            let decays = [at, at + p.per as usize].map(|at| b.decays.floats(at..at + 1)[0]);
            let [q, k] = [key, p.keys as usize + key].map(|number| vector(row, number));
            Step::<L::Number>::of::<L>(decays, of_head, [q, k], p.eps)
        };
        let said: Vec<_> = rows.clone().map(said).collect();
        let one = L::Number::of(1.0);
        for row in rows.clone() {
            let [_, _, place, count] = b.from_to.all().as_chunks::<4>().0[row];
            let first = row - place as usize;
            let together = begin.max(first)..rows.end.min(first + count as usize);
            let of = |row: usize| &said[row - begin];
            let decay = |rows: std::ops::Range<usize>| rows.fold(one, |all, row| all * of(row).decay);
            let (own, before, behind) = (of(row), decay(together.start..row + 1), decay(row + 1..together.end));
            let step = [own.beta, own.beta * before * own.k, before * own.q, behind * own.k];
            let at = row * heads + head;
            b.steps.floats_mut(4 * at..4 * at + 4).copy_from_slice(&step.map(Number::to_f32));
            let pairs = b.pairs.floats_mut(2 * at * block..2 * (at + 1) * block).as_chunks_mut::<2>().0;
            for (other, pair) in rows.clone().zip(pairs) {
                *pair = [0.0; 2];
                if other > row || other < together.start {
                    continue;
                }
                let k = vector(other, p.keys as usize + key);
                let by = decay(other + 1..row + 1) * of(other).k;
                let found = own.q * by * delta_step::product::<L>(vector(row, key), k);
                let seen = own.beta * own.k * by * delta_step::product::<L>(vector(row, p.keys as usize + key), k);
                *pair = [if other < row { seen } else { before }, found].map(Number::to_f32);
            }
        }
    }
}
