//! `shaders/recurrent/parts_norm.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::parts_norm::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (first, other, start) = (p.first as usize, p.other as usize, r * p.stride as usize);
        let one = L::Number::of(1.0);
        for (begin, length) in [(0, first), (first, other), (first + other, other)] {
            let weight = b.weight.floats(begin..begin + length);
            let x = b.x.floats_mut(start + begin..start + begin + length);
            let squares = x.iter().map(|&x| L::Number::of(x) * L::Number::of(x));
            let mean = squares.fold(L::Number::default(), |sum, square| sum + square) / L::Number::of(length as f32);
            let scale = one / (mean + L::Number::of(p.eps)).sqrt();
            x.iter_mut()
                .zip(weight)
                .for_each(|(x, &weight)| *x = (L::Number::of(*x) * scale * L::Number::of(weight)).to_f32());
        }
    }
}
