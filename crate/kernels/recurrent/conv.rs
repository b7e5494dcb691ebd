//! `shaders/recurrent/conv.wgsl` on the CPU.

use super::NONE;
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::conv::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let [from, to, place, count] = b.from_to.all().as_chunks::<4>().0[r];
        let (c, stride, first) = (p.c4 as usize * 4, p.stride4 as usize * 4, p.first4 as usize * 4);
        let (taps, held, place) = (p.taps as usize, p.taps as usize - 1, place as usize);
        let out = b.out.floats_mut(r * c..(r + 1) * c).as_chunks_mut::<4>().0;
        let kept = |number: u32, at: usize| {
            let start = number as usize * p.state4 as usize * 4 + at * c;
            start..start + c
        };
        let zero = L::splat(L::Number::default());
        let weight = b.weight.floats(0..c * taps);
        let mut sums: Vec<L> = match p.has_bias {
            0 => vec![zero; c / 4],
            _ => b.bias.floats(0..c).as_chunks::<4>().0.iter().map(L::load).collect(),
        };
        for k in 0..taps {
            let row = |at: usize| {
                let start = (r - k) * stride + at;
                b.x.floats(start..start + c).as_chunks::<4>().0
            };
            let (u, by) = match (k <= place, from) {
                (true, _) => (row(first), (p.gates != 0).then(|| row(0))),
                (false, NONE) => (&[][..], None),
                (false, from) => (b.states.floats(kept(from, held - (k - place))).as_chunks::<4>().0, None),
            };
            let mut next = (place + 1 == count as usize && k < held)
                .then(|| b.states.floats_mut(kept(to, held - 1 - k)).as_chunks_mut::<4>().0);
            for (i, sum) in sums.iter_mut().enumerate() {
                let mut value = u.get(i).map_or(zero, L::load);
                if let Some(by) = by {
                    value = value * L::load(&by[i]);
                }
                let w = 4 * i * taps + held - k;
                *sum = *sum + value * L::load(&[0, 1, 2, 3].map(|lane| weight[w + lane * taps]));
                if let Some(next) = &mut next {
                    next[i] = value.store();
                }
            }
        }
        let one = L::splat(L::Number::of(1.0));
        for (i, (to, mut sum)) in out.iter_mut().zip(sums).enumerate() {
            if p.gates != 0 {
                let start = r * stride + c + 4 * i;
                sum = sum * L::load(&b.x.floats(start..start + 4).as_chunks::<4>().0[0]);
            }
            if p.silu != 0 {
                sum = sum / (one + (-sum).clamp(L::Number::of(-80.0), L::Number::of(80.0)).exp());
            }
            *to = sum.store();
        }
    }
}
