//! `shaders/gather/embed.wgsl` on the CPU: a piece is a row of the batch.

use std::ops::Range;

use wide::u8x16;

use super::index;
use crate::kernels::cpu::{Kernel, Scratch, sized};
use crate::kernels::job::Job;
use crate::kernels::product::{Form, Format, Part, ROWS, SPAN, Scales, form, rows, unpack, with_format};
use crate::kernels::table::embed::Variant;

pub static KERNEL: Kernel = Kernel { pieces, run };

fn pieces(job: &Job) -> usize {
    job.grid[1] as usize
}

/// What a thread keeps: four rows of weights, and one to be added.
#[derive(Default)]
struct Store {
    weights: Vec<f32>,
    added: Vec<f32>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let kind = job.variant::<Variant>().format;
    let Store { weights, added } = scratch.of();
    let part = Part::new(kind, b.weights.all(), p.planes, p.k_blocks as usize);
    let k = part.blocks * 32;
    for r in pieces {
        let row = index(&b.batch.all()[4 * r..], p.by).wrapping_sub(p.first_row) as usize;
        if row >= p.n_rows as usize {
            continue;
        }
        let there = b.out.floats_mut(r * k..(r + 1) * k);
        if p.by == 0 {
            scaled(&part, row, p.scale, weights, there);
        } else {
            let added = sized(added, k);
            scaled(&part, row, p.scale, weights, added);
            there.iter_mut().zip(added).for_each(|(there, y)| *there += *y);
        }
    }
}

/// A row, times `scale`.
fn scaled(part: &Part, row: usize, scale: f32, weights: &mut Vec<f32>, out: &mut [f32]) {
    if part.kind.is_quantized() {
        with_format!(part.kind, F => read::<F>(part, row, out));
    } else {
        out.copy_from_slice(rows(part, row / ROWS, weights)[row % ROWS]);
    }
    out.iter_mut().for_each(|y| *y *= scale);
}

fn read<F: Format>(part: &Part, row: usize, out: &mut [f32]) {
    let (quad, lane) = (part.quad(row / ROWS), row % ROWS);
    let form = form(part.kind);
    let mut scales = Scales::default();
    for (b, (out, codes)) in out.chunks_exact_mut(32).zip(unpack::<F>(&quad, part.blocks)).enumerate() {
        if b % SPAN == 0 {
            F::scales(&quad, b, SPAN.min(part.blocks - b), &mut scales);
        }
        write(&codes, &scales, b % SPAN, &form, lane, out);
    }
}

/// A row of a block. It is the same for every format, and not hot: so it is there once.
#[inline(never)]
fn write(codes: &[u8x16; 8], scales: &Scales, b: usize, form: &Form, lane: usize, out: &mut [f32]) {
    for (j, code) in codes.iter().enumerate() {
        let at = b * form.each + j * form.each / 8;
        let scale = scales.scale[at].to_array()[lane];
        let offset = if form.bias == 0 { scales.offset[at].to_array()[lane] } else { 0.0 };
        for (out, u) in out[4 * j..][..4].iter_mut().zip(&code.to_array()[4 * lane..]) {
            *out = scale * (i32::from(*u) - form.bias) as f32 + offset;
        }
    }
}
