//! `shaders/elementwise/glu.wgsl` on the CPU: a piece is a row.

use std::ops::Range;

use wide::f32x4;

use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::math;
use crate::kernels::params::Glu;

pub static KERNEL: Kernel = Kernel { pieces: |job| job.grid[1] as usize, run };

/// read: gate_up; write: out.
fn run(job: &Job, pieces: Range<usize>, _: &mut Scratch) {
    let p: Glu = job.params();
    let f = p.f4 as usize * 4;
    for r in pieces {
        let (gate, up) = job.floats(0, 2 * r * f..2 * (r + 1) * f).split_at(f);
        let out = job.floats_mut(1, r * f..(r + 1) * f);
        let inputs = gate.as_chunks::<4>().0.iter().zip(up.as_chunks::<4>().0);
        for ((gate, up), out) in inputs.zip(out.as_chunks_mut::<4>().0) {
            *out = (activate(f32x4::new(*gate), p.gelu != 0) * f32x4::new(*up)).to_array();
        }
    }
}

/// SiLU, or GELU in its tanh form.
#[inline(always)]
pub fn activate(g: f32x4, gelu: bool) -> f32x4 {
    let z = if gelu { f32x4::splat(1.595_769_1) * (g * g * g).mul_add(f32x4::splat(0.044715), g) } else { g };
    g / (f32x4::splat(1.0) + math::exp(-z))
}
