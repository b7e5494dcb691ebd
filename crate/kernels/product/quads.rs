//! How the CPU kernels want a weight matrix: four rows at a time, side by side, so that one vector holds a piece of each
//! and no sum runs across its lanes.
//!
//! The planes of `quant::layout` stay where they are and as large as they are. In each, what belongs to rows 4g..4g+4
//! stays one run, in which the rows' words alternate: vector i has word i of each row. Two things are not whole words:
//!
//! - Integers with a bias lose their sign: the top bit of each is flipped, and w = scale · (u − bias).
//! - Where a row has one f16 a block (or a unit), a word is those of two neighbours; the last of an odd number has its
//!   four rows packed closely.
//!
//! Floats stay as they are.

use super::formats::form;
use super::layout::{ROWS, plane_words};
use crate::quant::{self, TensorType};

/// Brings a part of `n_rows` rows of `blocks` blocks into order, in place. The part has room for whole fours of rows.
pub fn arrange(kind: TensorType, words: &mut [u32], planes: [u32; 4], n_rows: usize, blocks: usize) {
    if !kind.is_quantized() {
        return;
    }
    let mut old = Vec::new();
    for plane in 0..quant::planes(kind).len() {
        let len = plane_words(kind, plane, blocks);
        let flip = if plane == 0 { form(kind).flip } else { 0 };
        let quads = words[planes[plane] as usize..].chunks_exact_mut(len);
        for quad in quads.take(n_rows.div_ceil(ROWS)) {
            old.clear();
            old.extend_from_slice(quad);
            if form(kind).has_single_halves(plane) {
                alternate_halves(&old, quad);
            } else {
                let row = len / ROWS;
                quad.iter_mut().enumerate().for_each(|(i, to)| *to = old[i % ROWS * row + i / ROWS] ^ flip);
            }
        }
    }
}

fn alternate_halves(old: &[u32], to: &mut [u32]) {
    let (old, to): (&[u16], &mut [u16]) = (bytemuck::cast_slice(old), bytemuck::cast_slice_mut(to));
    let row = old.len() / ROWS;
    for (i, to) in to.iter_mut().enumerate() {
        let (pair, rest) = (i / (2 * ROWS), i % (2 * ROWS));
        let (r, at) = if 2 * pair + 1 < row { (rest / 2, 2 * pair + rest % 2) } else { (rest, 2 * pair) };
        *to = old[r * row + at];
    }
}
