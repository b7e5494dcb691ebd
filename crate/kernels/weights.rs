//! Weights for mirrors.

use super::job::View;
use crate::quant::{self, TensorType};

/// The first `count` weights of a part whose planes start at these words.
pub fn dequantized(weights: View, kind: TensorType, planes: [u32; 4], count: usize) -> Vec<f32> {
    let mut out = vec![0.0; count];
    quant::dequantize_packed(kind, weights.all(), &planes.map(|words| words as u64 * 4), &mut out);
    out
}
