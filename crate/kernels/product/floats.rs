//! Weights that are floats in the file too: their rows stay as they are.

use std::ops::Range;

use half::bf16;
use wide::{f32x4, u32x4};

use super::formats::Part;
use super::layout::ROWS;
use crate::kernels::cpu::half::to_f32;
use crate::kernels::cpu::sized;
use crate::quant::TensorType;

/// Four rows of a part as f32.
pub fn rows<'a>(part: &Part<'a>, quad: usize, store: &'a mut Vec<f32>) -> [&'a [f32]; ROWS] {
    columns(part, quad, 0..part.blocks * 32, store)
}

/// Some columns of them: from an even one to an even one.
pub fn columns<'a>(part: &Part<'a>, quad: usize, range: Range<usize>, store: &'a mut Vec<f32>) -> [&'a [f32]; ROWS] {
    let (k, len) = (part.blocks * 32, range.len());
    let row = |r: usize| part.planes[0] as usize * 2 + (quad * ROWS + r) * k + range.start;
    if part.kind == TensorType::F32 {
        let at = |r: usize| part.planes[0] as usize + (quad * ROWS + r) * k + range.start;
        return std::array::from_fn(|r| bytemuck::cast_slice(&part.words[at(r)..][..len]));
    }
    let all = sized(store, ROWS * len);
    for (r, to) in all.chunks_exact_mut(len).enumerate() {
        let words = &part.words[row(r) / 2..][..len / 2];
        match part.kind {
            TensorType::F16 => {
                for (w, to) in words.as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<4>().0) {
                    *to = to_f32(u32x4::new([w[0] & 0xffff, w[0] >> 16, w[1] & 0xffff, w[1] >> 16])).to_array();
                }
            }
            _ => {
                for (w, to) in words.iter().zip(to.as_chunks_mut::<2>().0) {
                    *to = [*w as u16, (*w >> 16) as u16].map(|bits| bf16::from_bits(bits).to_f32());
                }
            }
        }
    }
    let all: &[f32] = all;
    std::array::from_fn(|r| &all[r * len..][..len])
}

/// Four rows of weights times one of activations.
pub fn dot(weights: [&[f32]; ROWS], x: &[f32]) -> f32x4 {
    f32x4::new(weights.map(|row| {
        let (mut a, mut b) = (f32x4::ZERO, f32x4::ZERO);
        for (w, x) in row.as_chunks::<8>().0.iter().zip(x.as_chunks::<8>().0) {
            let ([w0, w1], [x0, x1]): ([f32x4; 2], [f32x4; 2]) = (bytemuck::cast(*w), bytemuck::cast(*x));
            a = w0.mul_add(x0, a);
            b = w1.mul_add(x1, b);
        }
        (a + b).reduce_add()
    }))
}

/// Four rows of weights side by side, column by column, to be multiplied with many rows of activations.
#[derive(Default)]
pub struct Columns(Vec<f32x4>);

impl Columns {
    /// Takes columns of four rows.
    pub fn fill(&mut self, rows: [&[f32]; ROWS]) {
        let rows = rows.map(|row| row.as_chunks::<4>().0);
        self.0.resize(rows[0].len() * 4, f32x4::ZERO);
        for (i, to) in self.0.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *to = f32x4::transpose(rows.map(|row| f32x4::new(row[i])));
        }
    }

    /// Adds their products with M rows.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "as in dots")]
    pub fn add<const M: usize>(&self, x: [&[f32]; M], to: &mut [f32x4]) {
        let x = x.map(|x| &x[..self.0.len()]);
        let to: &mut [f32x4; M] = to.try_into().expect("a sum for each row");
        let mut sums = *to;
        for (i, &w) in self.0.iter().enumerate() {
            for m in 0..M {
                sums[m] = w.mul_add(f32x4::splat(x[m][i]), sums[m]);
            }
        }
        *to = sums;
    }
}
