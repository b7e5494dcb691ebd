//! `shaders/gather/embed.wgsl` on the CPU: a piece is a row of the batch.

use std::ops::Range;

use super::index;
use crate::kernels::cpu::{Kernel, Scratch, sized};
use crate::kernels::job::Job;
use crate::kernels::product::{Part, ROWS, SPAN, Unpacked, fill_of, form, rows};
use crate::kernels::table::embed::Variant;

pub static KERNEL: Kernel = Kernel { pieces, run };

fn pieces(job: &Job) -> usize {
    job.grid[1] as usize
}

/// What a thread keeps: weights, and a row to be added.
#[derive(Default)]
struct Store {
    weights: Weights,
    added: Vec<f32>,
}

/// Four rows as floats, and a span of four of integers.
#[derive(Default)]
pub(in crate::kernels) struct Weights {
    floats: Vec<f32>,
    span: Unpacked<i16>,
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
            row_of(&part, row, p.scale, weights, there);
        } else {
            let added = sized(added, k);
            row_of(&part, row, p.scale, weights, added);
            there.iter_mut().zip(added).for_each(|(there, y)| *there += *y);
        }
    }
}

/// A row of a part, times `scale`.
pub(in crate::kernels) fn row_of(part: &Part, row: usize, scale: f32, store: &mut Weights, out: &mut [f32]) {
    let (quad, lane) = (row / ROWS, row % ROWS);
    if part.kind.is_quantized() {
        let fill = fill_of(part.kind);
        for (span, out) in out.chunks_mut(32 * SPAN).enumerate() {
            fill(&mut store.span, &part.quad(quad), part.blocks, span * SPAN, out.len() / 32);
            out.copy_from_slice(store.span.rows(&form(part.kind), &mut store.floats)[lane]);
        }
    } else {
        out.copy_from_slice(rows(part, quad, &mut store.floats)[lane]);
    }
    out.iter_mut().for_each(|y| *y *= scale);
}
