//! `shaders/attention/attention_combine.wgsl` on the CPU: a piece is a head.

use std::ops::Range;

use wide::f32x4;

use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::math;
use crate::kernels::params::AttentionCombine;

pub static KERNEL: Kernel = Kernel { pieces: |job| (job.grid[0] * job.grid[1]) as usize, run };

/// read: parts; write: out.
fn run(job: &Job, pieces: Range<usize>, _: &mut Scratch) {
    let p: AttentionCombine = job.params();
    let (dim, splits) = (p.dim4 as usize * 4, p.splits as usize);
    for head in pieces {
        let parts = job.floats(0, head * splits * (dim + 4)..(head + 1) * splits * (dim + 4));
        let parts = || parts.chunks_exact(dim + 4).map(|part| part.split_at(dim));
        let top = parts().map(|(_, tail)| tail[0]).fold(f32::MIN, f32::max);
        let share = |tail: &[f32]| math::exp(f32x4::splat(tail[0] - top)).to_array()[0];
        let inverse = 1.0 / parts().map(|(_, tail)| share(tail) * tail[1]).sum::<f32>();
        let out = job.floats_mut(1, head * dim..(head + 1) * dim);
        out.fill(0.0);
        for (values, tail) in parts() {
            let share = share(tail) * inverse;
            out.iter_mut().zip(values).for_each(|(to, v)| *to += share * v);
        }
    }
}
