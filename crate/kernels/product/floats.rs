//! Weights that are floats in the file too: their rows stay as they are.

use half::bf16;
use wide::{f32x4, u32x4};

use super::formats::Part;
use super::layout::ROWS;
use crate::kernels::cpu::half::to_f32;
use crate::kernels::cpu::sized;
use crate::quant::TensorType;

/// Four rows of a part as f32.
pub fn rows<'a>(part: &Part<'a>, quad: usize, store: &'a mut Vec<f32>) -> [&'a [f32]; ROWS] {
    let k = part.blocks * 32;
    let (first, len) = (quad * ROWS * k, ROWS * k);
    let at = part.planes[0] as usize;
    let all: &[f32] = match part.kind {
        TensorType::F32 => bytemuck::cast_slice(&part.words[at + first..][..len]),
        TensorType::F16 => {
            let to = sized(store, len);
            for (w, to) in
                part.words[at + first / 2..][..len / 2].as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<4>().0)
            {
                *to = to_f32(u32x4::new([w[0] & 0xffff, w[0] >> 16, w[1] & 0xffff, w[1] >> 16])).to_array();
            }
            to
        }
        _ => {
            let to = sized(store, len);
            for (w, to) in part.words[at + first / 2..][..len / 2].iter().zip(to.as_chunks_mut::<2>().0) {
                *to = [*w as u16, (*w >> 16) as u16].map(|bits| bf16::from_bits(bits).to_f32());
            }
            to
        }
    };
    std::array::from_fn(|r| &all[r * k..][..k])
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
