//! `shaders/norm/rmsnorm.wgsl` on the CPU: a piece is a row.

use std::ops::Range;

use wide::f32x4;

use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::math;
use crate::kernels::params::RmsNorm;

pub static KERNEL: Kernel = Kernel { pieces: |job| job.grid[1] as usize, run };

/// read: x, weight, rows; write: out.
fn run(job: &Job, pieces: Range<usize>, _: &mut Scratch) {
    let p: RmsNorm = job.params();
    let k = p.k4 as usize * 4;
    let weight = job.floats(1, 0..k);
    for r in pieces {
        let row = if p.gather != 0 { job.all(2)[r] as usize } else { r };
        let x = job.floats(0, row * k..(row + 1) * k);
        let out = job.floats_mut(3, r * k..(r + 1) * k);
        if p.accumulate != 0 {
            each(x, weight, scale(x, p.eps), out, |y, out| out + y);
        } else {
            normalise(x, weight, p.eps, out);
        }
    }
}

/// out = x / rms(x) * weight; lengths are equal and multiples of 4.
pub fn normalise(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    each(x, weight, scale(x, eps), out, |y, _| y);
}

/// 1 / rms(x)
pub fn scale(x: &[f32], eps: f32) -> f32 {
    1.0 / (math::squares(x) / x.len() as f32 + eps).sqrt()
}

#[inline(always)]
fn each(x: &[f32], weight: &[f32], scale: f32, out: &mut [f32], to: impl Fn(f32x4, f32x4) -> f32x4) {
    let scale = f32x4::splat(scale);
    let inputs = x.as_chunks::<4>().0.iter().zip(weight.as_chunks::<4>().0);
    for ((x, weight), out) in inputs.zip(out.as_chunks_mut::<4>().0) {
        *out = to(f32x4::new(*x) * scale * f32x4::new(*weight), f32x4::new(*out)).to_array();
    }
}
