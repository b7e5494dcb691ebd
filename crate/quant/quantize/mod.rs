//! Floats to a file's blocks: the rounding of ggml's reference code, to the byte.

mod blocks;
mod search;
mod super_blocks;

use half::{bf16, f16};

use super::TensorType;
use blocks::{Q4_0, Q4_1, Q5_0, Q5_1, Small};

impl TensorType {
    /// Those that [`quantize`] writes.
    pub const WRITTEN: [TensorType; 13] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q8_0,
        TensorType::Q6_K,
        TensorType::Q5_K,
        TensorType::Q5_1,
        TensorType::Q5_0,
        TensorType::Q4_K,
        TensorType::Q4_1,
        TensorType::Q4_0,
        TensorType::Q3_K,
        TensorType::Q2_K,
    ];

    /// One of them by its name, in letters of either case.
    pub fn written(name: &str) -> Option<TensorType> {
        TensorType::WRITTEN.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// Appends the blocks of whole rows of weights.
///
/// # Panics
/// For a type that is not in [`TensorType::WRITTEN`], and for weights that are no whole blocks.
pub fn quantize(kind: TensorType, weights: &[f32], out: &mut Vec<u8>) {
    assert!(
        weights.len().is_multiple_of(kind.block_len()),
        "{} weights are no whole blocks of {kind:?}",
        weights.len()
    );
    out.reserve(weights.len() / kind.block_len() * kind.block_bytes());
    match kind {
        TensorType::F32 => out.extend_from_slice(bytemuck::cast_slice(weights)),
        TensorType::F16 => out.extend(weights.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes())),
        TensorType::BF16 => out.extend(weights.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes())),
        TensorType::Q8_0 => blocks::q8_0(weights, out),
        other => match small(other) {
            Some(small) => small.write(weights, out),
            None => in_super_blocks(other, weights, None, out),
        },
    }
}

/// As [`quantize`], where what is lost of a weight counts as much as `importance` says of its column: it has as many numbers as a row
/// has. Types of 8 bits and more make nothing of it.
pub fn quantize_by(kind: TensorType, weights: &[f32], importance: &[f32], out: &mut Vec<u8>) {
    for row in weights.chunks_exact(importance.len()) {
        match small(kind) {
            Some(small) => small.write_by(row, importance, out),
            None if kind.block_len() == super_blocks::LEN => in_super_blocks(kind, row, Some(importance), out),
            None => quantize(kind, row, out),
        }
    }
}

fn small(kind: TensorType) -> Option<&'static Small> {
    match kind {
        TensorType::Q5_1 => Some(&Q5_1),
        TensorType::Q5_0 => Some(&Q5_0),
        TensorType::Q4_1 => Some(&Q4_1),
        TensorType::Q4_0 => Some(&Q4_0),
        _ => None,
    }
}

fn in_super_blocks(kind: TensorType, weights: &[f32], importance: Option<&[f32]>, out: &mut Vec<u8>) {
    let block = match kind {
        TensorType::Q6_K => super_blocks::q6_k,
        TensorType::Q5_K => super_blocks::q5_k,
        TensorType::Q4_K => super_blocks::q4_k,
        TensorType::Q3_K => super_blocks::q3_k,
        TensorType::Q2_K => super_blocks::q2_k,
        other => panic!("{other:?} is not written"),
    };
    let importance = importance.map(|importance| importance.as_chunks().0);
    for (at, weights) in weights.as_chunks().0.iter().enumerate() {
        block(weights, importance.map(|importance| &importance[at]), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::dequantize;

    /// A quarter of a step away from what is written, in both directions.
    #[test]
    fn each_weight_becomes_the_nearest() {
        let weights: Vec<f32> = (0..96).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
        for (kind, steps) in [
            (TensorType::Q8_0, 127.0),
            (TensorType::Q5_0, 16.0),
            (TensorType::Q5_1, 31.0),
            (TensorType::Q4_0, 8.0),
            (TensorType::Q4_1, 15.0),
            (TensorType::F16, 1000.0),
            (TensorType::BF16, 200.0),
        ] {
            let mut blocks = Vec::new();
            quantize(kind, &weights, &mut blocks);
            assert_eq!(blocks.len(), weights.len() / kind.block_len() * kind.block_bytes());
            let mut back = vec![0.0; weights.len()];
            dequantize(kind, &blocks, &mut back);
            // The largest is 0.78, of either sign; of those that are centred the far end may be a whole step away.
            let most = 1.6 / steps;
            for (x, y) in weights.iter().zip(&back) {
                assert!((x - y).abs() <= most, "{kind:?}: {x} became {y}");
            }
        }
        let mut zeros = Vec::new();
        quantize(TensorType::Q4_0, &[0.0; 32], &mut zeros);
        let mut back = [1.0; 32];
        dequantize(TensorType::Q4_0, &zeros, &mut back);
        assert_eq!(back, [0.0; 32]);
    }
}
