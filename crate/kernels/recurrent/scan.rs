//! `shaders/recurrent/scan.wgsl` on the CPU: a piece is a head of a sequence.

use super::softplus::softplus;
use super::{Part, load, store};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::scan::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        let p = job.params::<Self>();
        p.heads as usize * p.rows as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let Some(Part { head, rows, from, to }) = Part::of(b.from_to.all(), p.rows, piece) else { return };
        let (heads, p4, n) = (p.heads as usize, p.p4 as usize, 4 * p.n4 as usize);
        let [bias, a, d] = [0, 1, 2].map(|k| L::Number::of(b.heads.floats(k * heads..(k + 1) * heads)[head]));
        let steps: Vec<[L; 2]> = rows
            .clone()
            .map(|row| {
                let at = row * p.dt_stride as usize + p.first_dt as usize + head;
                let step = softplus(L::Number::of(b.dt.floats(at..at + 1)[0]) + bias);
                [L::splat((step * a).exp()), L::splat(step)]
            })
            .collect();
        let (width, group) = (4 * heads * p4, head / p.per_group as usize);
        let b_first = width + group * n;
        let c_first = b_first + heads / p.per_group as usize * n;
        let floats = |row: usize, first: usize, length: usize| {
            let start = row * p.stride4 as usize * 4 + first;
            b.xbc.floats(start..start + length).as_chunks::<4>().0
        };
        let zero = L::splat(L::Number::default());
        for four in head * p4..(head + 1) * p4 {
            let kept = |number: u32| {
                let start = (number as usize * p.state4 as usize + p.first4 as usize + four * n) * 4;
                start..start + 4 * n
            };
            let mut state: Vec<L> = load(b.states, from, kept);
            for (row, [decay, step]) in rows.clone().zip(&steps) {
                let x = L::load(&floats(row, 4 * four, 4)[0]);
                let scaled = x * *step;
                // As the shader has it: four sums that do not wait for each other.
                let mut sums = [zero; 4];
                let inputs = floats(row, b_first, n).iter().zip(floats(row, c_first, n));
                for (state, (b, c)) in state.as_chunks_mut::<4>().0.iter_mut().zip(inputs) {
                    for lane in 0..4 {
                        state[lane] = state[lane] * *decay + scaled * L::splat(L::Number::of(b[lane]));
                        sums[lane] = sums[lane] + state[lane] * L::splat(L::Number::of(c[lane]));
                    }
                }
                let sum = (sums[0] + sums[1]) + (sums[2] + sums[3]) + L::splat(d) * x;
                let start = row * width + 4 * four;
                b.out.floats_mut(start..start + 4).copy_from_slice(&sum.store());
            }
            store(state, b.states, kept(to));
        }
    }
}
