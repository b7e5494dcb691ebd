//! `shaders/product/matmul_experts.wgsl` on the CPU: a piece is four rows of an expert, unpacked once for all that chose it.

use std::ops::Range;

use wide::f32x4;

use super::activations::{Activation, Quantized, Store as Activations};
use super::floats;
use super::formats::{Part, form, with_format};
use super::layout::ROWS;
use super::many::{Many, Spans, TILE, each_result, groups, many};
use super::matvec::put;
use crate::base::platform::vector;
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::face::OnCpu;
use crate::kernels::job::{Job, View};
use crate::kernels::table::matmul_experts::{Bind, Params, Variant};
use crate::kernels::weights::dequantized;

static KERNEL: Kernel = Kernel { pieces, run };

impl OnCpu for Variant {
    const SIMD: Option<&'static Kernel> = Some(&KERNEL);

    /// In plain loops and double precision, tile by tile.
    fn mirror(job: &Job) {
        let d = Dispatch::new(job);
        let (p, n, k) = (&d.p, d.p.n as usize, d.p.k_blocks as usize * 32);
        let w = dequantized(d.b.weights, job.variant::<Self>().format, p.planes, p.n_experts as usize * n * k);
        let (bias, out) = (d.b.bias.all_floats(), d.b.out.all_floats_mut());
        for (place, choices) in d.chosen().into_iter().enumerate() {
            for &choice in choices {
                let x = d.b.x.floats((choice / p.each) as usize * k..((choice / p.each) as usize + 1) * k);
                for i in 0..n {
                    let row = &w[(place * n + i) * k..][..k];
                    let sum: f64 = row.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                    let at = p.column as usize + i;
                    let stride = p.out_stride as usize;
                    let expert = p.first_expert as usize + place;
                    let bias = if p.has_bias != 0 { bias[expert * stride + at] } else { 0.0 };
                    out[choice as usize * stride + at] = (sum + f64::from(bias)) as f32;
                }
            }
        }
    }
}

fn pieces(job: &Job) -> usize {
    let p = job.params::<Variant>();
    p.n_experts as usize * p.n as usize / ROWS
}

/// What a thread keeps: rows of activations as integers, and those of an expert; rows of weights, as floats and
/// some spans of them unpacked; and sums for each choice.
#[derive(Default)]
struct Store {
    shorts: [Activations<i16>; 2],
    bytes: [Activations<i8>; 2],
    weights: Vec<f32>,
    unpacked_shorts: Spans<i16>,
    unpacked_bytes: Spans<i8>,
    sums: Vec<f32x4>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let d = Dispatch::new(job);
    let (p, b) = (&d.p, d.b);
    let kind = job.variant::<Variant>().format;
    let part = Part::new(kind, b.weights.all(), p.planes, p.k_blocks as usize);
    let (form, k) = (form(kind), part.blocks * 32);
    let Store { shorts, bytes, weights, unpacked_shorts, unpacked_bytes, sums } = scratch.of();
    let rows = (p.pairs / p.each) as usize;
    let input = |r: usize| b.x.floats(r * k..(r + 1) * k);
    if !kind.is_quantized() {
        d.each(pieces, |quads, choices| {
            for quad in quads {
                let w = floats::rows(&part, quad, weights);
                for &choice in choices {
                    d.store(quad..quad + 1, choice, &[floats::dot(w, input((choice / p.each) as usize))], 1);
                }
            }
        });
    } else if vector::HAS_BYTES && job.exactness.bytes && form.bits() < 8 {
        let [all, picked] = bytes;
        let x = all.take(job, [rows, k, 1], form, input);
        d.products(pieces, &part, with_format!(kind, F => many::<F, _>), &x, (picked, unpacked_bytes), sums);
    } else {
        let [all, picked] = shorts;
        let x = all.take(job, [rows, k, 1], form, input);
        d.products(pieces, &part, with_format!(kind, F => many::<F, _>), &x, (picked, unpacked_shorts), sums);
    }
}

/// A dispatch in the hands of a thread.
#[derive(Clone, Copy)]
struct Dispatch<'a> {
    p: Params,
    b: Bind<View<'a>>,
}

impl<'a> Dispatch<'a> {
    fn new(job: &Job<'a>) -> Self {
        Dispatch { p: job.params::<Variant>(), b: job.bind::<Variant>() }
    }

    /// Of each expert of the part the choices that are its: its tiles follow each other.
    fn chosen(&self) -> Vec<&'a [u32]> {
        let p = &self.p;
        let mut chosen: Vec<&[u32]> = vec![&[]; p.n_experts as usize];
        let order = self.b.order.words(0..p.pairs as usize);
        let tiles = self.b.tiles.words(0..4 * p.tiles as usize).as_chunks::<4>().0;
        for tiles in tiles.chunk_by(|a, b| a[0] == b[0]) {
            let expert = tiles[0][0].wrapping_sub(p.first_expert) as usize;
            let count: u32 = tiles.iter().map(|tile| tile[2]).sum();
            if let Some(chosen) = chosen.get_mut(expert).filter(|_| count > 0) {
                *chosen = &order[tiles[0][1] as usize..][..count as usize];
            }
        }
        chosen
    }

    /// Of every expert that was chosen the pieces that are to be done, fours of rows of weights, and the choices.
    fn each(&self, pieces: Range<usize>, mut products: impl FnMut(Range<usize>, &[u32])) {
        let (chosen, quads_each) = (self.chosen(), self.p.n as usize / ROWS);
        let mut first = pieces.start;
        while first < pieces.end {
            let place = first / quads_each;
            let end = pieces.end.min((place + 1) * quads_each);
            if !chosen[place].is_empty() {
                products(first..end, chosen[place]);
            }
            first = end;
        }
    }

    /// Products of quantized weights. `picked` is for an expert's rows of `x`.
    fn products<A: Activation>(
        &self,
        pieces: Range<usize>,
        part: &Part,
        many: Many<A>,
        x: &Quantized<A>,
        (picked, unpacked): (&mut Activations<A>, &mut Spans<A>),
        sums: &mut Vec<f32x4>,
    ) {
        self.each(pieces, |quads, choices| {
            let x = picked.pick(x, choices.iter().map(|choice| (choice / self.p.each) as usize), TILE);
            for quads in groups(quads) {
                many(part, quads.clone(), choices.len(), &x, unpacked, sums);
                each_result(choices.len(), sums, |i, sums, step| self.store(quads.clone(), choices[i], sums, step));
            }
        });
    }

    /// Writes a choice's results: every `step`th of `sums`.
    fn store(&self, quads: Range<usize>, choice: u32, sums: &[f32x4], step: usize) {
        let (p, quads_each) = (&self.p, self.p.n as usize / ROWS);
        let stride = p.out_stride as usize;
        for (quad, &y) in quads.zip(sums.iter().step_by(step)) {
            let column = p.column as usize + quad % quads_each * ROWS;
            let of = (p.first_expert as usize + quad / quads_each) * stride + column;
            let bias = (p.has_bias != 0).then(|| self.b.bias.floats(of..of + ROWS));
            let at = choice as usize * stride + column;
            put(self.b.out.floats_mut(at..at + ROWS), y, bias, false);
        }
    }
}
