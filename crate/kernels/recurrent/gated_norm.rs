//! `shaders/recurrent/gated_norm.wgsl` on the CPU.

use crate::kernels::elementwise::silu;
use crate::kernels::job::Job;
use crate::kernels::norm::{normalise, rms_scale};
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::gated_norm::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (length, width) = (4 * p.g4 as usize, 4 * (p.groups * p.g4) as usize);
        let (stride, room) = (4 * p.stride4 as usize, 4 * p.out4 as usize);
        let (y, z) = (b.y.floats(r * width..(r + 1) * width), b.z.floats(r * stride..r * stride + width));
        let (out, rest) = b.out.floats_mut(r * room..(r + 1) * room).split_at_mut(width);
        rest.fill(0.0);
        if p.has_norm == 2 {
            let weight = b.weight.floats(0..length);
            out.chunks_exact_mut(length).zip(y.chunks_exact(length)).for_each(|(out, y)| {
                normalise::<L>(y, weight, p.eps, out);
            });
            gate::<L>(out, z);
            return;
        }
        out.copy_from_slice(y);
        gate::<L>(out, z);
        if p.has_norm == 0 {
            return;
        }
        for (out, weight) in out.chunks_exact_mut(length).zip(b.weight.floats(0..width).chunks_exact(length)) {
            let scale = L::splat(rms_scale::<L>(out, p.eps));
            for (out, weight) in out.as_chunks_mut::<4>().0.iter_mut().zip(weight.as_chunks::<4>().0) {
                *out = (L::load(out) * scale * L::load(weight)).store();
            }
        }
    }
}

/// x *= silu(z)
fn gate<L: Lanes>(x: &mut [f32], z: &[f32]) {
    for (x, z) in x.as_chunks_mut::<4>().0.iter_mut().zip(z.as_chunks::<4>().0) {
        *x = (L::load(x) * silu(L::load(z))).store();
    }
}
