//! `shaders/gather/embed.wgsl` on the CPU: a piece is a row of the batch.

use std::ops::Range;

use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::params::Embed;
use crate::kernels::product::simd::floats;
use crate::kernels::product::simd::formats::{Format, Part, Scales, form, with_format};
use crate::kernels::product::simd::products::unpack;
use crate::kernels::product::simd::quads::{ROWS, SPAN};

pub static KERNEL: Kernel = Kernel { pieces, run };

fn pieces(job: &Job) -> usize {
    job.grid[1] as usize
}

/// read: weights, weights (word view), batch; write: out.
fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let p: Embed = job.params();
    let kind = job.kind();
    let part = Part::new(kind, job.all(0), p.planes, p.k_blocks as usize);
    let k = part.blocks * 32;
    for r in pieces {
        let row = job.all(2)[4 * r].wrapping_sub(p.first_row) as usize;
        if row >= p.n_rows as usize {
            continue;
        }
        let out = job.floats_mut(3, r * k..(r + 1) * k);
        if kind.is_quantized() {
            with_format!(kind, F => read::<F>(&part, row, out));
        } else {
            out.copy_from_slice(floats::rows(&part, row / ROWS, &mut scratch.weights)[row % ROWS]);
        }
        out.iter_mut().for_each(|y| *y *= p.scale);
    }
}

fn read<F: Format>(part: &Part, row: usize, out: &mut [f32]) {
    let (quad, lane) = (part.quad(row / ROWS), row % ROWS);
    let form = form(part.kind);
    let mut scales = Scales::default();
    for (b, (out, codes)) in out.chunks_exact_mut(32).zip(unpack::<F>(&quad, part.blocks)).enumerate() {
        if b % SPAN == 0 {
            F::scales(&quad, b, SPAN.min(part.blocks - b), &mut scales);
        }
        for (j, code) in codes.into_iter().enumerate() {
            let at = (b % SPAN) * form.each + j * form.each / 8;
            let scale = scales.scale[at].to_array()[lane];
            let offset = if form.bias == 0 { scales.offset[at].to_array()[lane] } else { 0.0 };
            for (out, u) in out[4 * j..][..4].iter_mut().zip(&code.to_array()[4 * lane..]) {
                *out = scale * (i32::from(*u) - form.bias) as f32 + offset;
            }
        }
    }
}
