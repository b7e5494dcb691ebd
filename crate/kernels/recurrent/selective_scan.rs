//! `shaders/recurrent/selective_scan.wgsl` on the CPU: a piece is some channels of a sequence, which is found by its first row.

use super::softplus::softplus;
use super::{load, store};
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::selective_scan::Variant;

/// Channels of a piece: their states stay in the nearest cache.
const CHANNELS: usize = 32;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        let p = job.params::<Self>();
        (p.channels as usize).div_ceil(CHANNELS) * p.rows as usize
    }

    fn row<L: Lanes>(job: &Job, piece: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let [chunk, first_row] = [piece / p.rows as usize, piece % p.rows as usize];
        let [from, to, place, count] = b.from_to.all().as_chunks::<4>().0[first_row];
        if place > 0 {
            return;
        }
        let (all, n4) = (p.channels as usize, p.n4 as usize);
        let (begin, end) = (chunk * CHANNELS, all.min((chunk + 1) * CHANNELS));
        let inside = 4 * n4 * begin..4 * n4 * end;
        let lanes = |floats: &[f32]| -> Vec<L> { floats.as_chunks::<4>().0.iter().map(L::load).collect() };
        let a = lanes(b.channels.floats(inside.clone()));
        let d = b.channels.floats(4 * n4 * all + begin..4 * n4 * all + end);
        let kept = |number: u32| {
            let start = 4 * (number as usize * p.state4 as usize + p.first4 as usize);
            start + inside.start..start + inside.end
        };
        let zero = L::splat(L::Number::default());
        let mut states: Vec<L> = load(b.states, from, kept);
        for row in first_row..first_row + count as usize {
            let numbers = row * all + begin..row * all + end;
            let start = row * p.stride as usize + p.first as usize;
            let (bs, cs) = (lanes(b.bc.floats(start..start + 4 * n4)), start + 4 * n4);
            let cs = lanes(b.bc.floats(cs..cs + 4 * n4));
            let (x, dt) = (b.x.floats(numbers.clone()), b.dt.floats(numbers.clone()));
            for (i, out) in b.out.floats_mut(numbers).iter_mut().enumerate() {
                let [x, dt, d] = [x, dt, d].map(|numbers| L::Number::of(numbers[i]));
                let step = softplus(dt);
                let (scaled, step) = (L::splat(step * x), L::splat(step));
                let (states, a) = (&mut states[i * n4..(i + 1) * n4], &a[i * n4..(i + 1) * n4]);
                let mut sum = zero;
                for ((state, a), (b, c)) in states.iter_mut().zip(a).zip(bs.iter().zip(&cs)) {
                    *state = *state * (step * *a).exp() + scaled * *b;
                    sum = sum + *state * *c;
                }
                *out = (sum.sum() + d * x).to_f32();
            }
        }
        store(states, b.states, kept(to));
    }
}
