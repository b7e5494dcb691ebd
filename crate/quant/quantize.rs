//! Floats to a file's blocks: the rounding of ggml's reference code, to the byte.

use half::{bf16, f16};

use super::TensorType;

/// Weights of a block of the types below.
const LEN: usize = 32;

impl TensorType {
    /// Those that [`quantize`] writes.
    pub const WRITTEN: [TensorType; 8] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q8_0,
        TensorType::Q5_1,
        TensorType::Q5_0,
        TensorType::Q4_1,
        TensorType::Q4_0,
    ];
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
    let block: fn(&[f32], &mut Vec<u8>) = match kind {
        TensorType::F32 => return out.extend_from_slice(bytemuck::cast_slice(weights)),
        TensorType::F16 => return out.extend(weights.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes())),
        TensorType::BF16 => return out.extend(weights.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes())),
        TensorType::Q8_0 => q8_0,
        TensorType::Q5_1 => |block, out| ranged::<31>(block, out),
        TensorType::Q5_0 => |block, out| centred::<16>(block, out),
        TensorType::Q4_1 => |block, out| ranged::<15>(block, out),
        TensorType::Q4_0 => |block, out| centred::<8>(block, out),
        other => panic!("{other:?} is not written"),
    };
    out.reserve(weights.len() / LEN * kind.block_bytes());
    weights.chunks_exact(LEN).for_each(|weights| block(weights, out));
}

/// What weights are multiplied with: 1 / d, or nothing where all are 0.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Halves go away from 0. Not `round`, which wasm has no instruction for, so that it would be a call for each weight.
fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let most = block.iter().fold(0.0f32, |most, x| if x.abs() > most { x.abs() } else { most });
    let d = most / 127.0;
    let by = inverse(d);
    let mut q = [0u8; LEN];
    for (q, x) in q.iter_mut().zip(block) {
        let x = x * by;
        let whole = x as i32;
        let rest = x - whole as f32;
        *q = (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as u8;
    }
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend_from_slice(&q);
}

/// Integers from -HALF to HALF - 1, of which the largest weight, with its sign, is the first.
fn centred<const HALF: u8>(block: &[f32], out: &mut Vec<u8>) {
    let most = block.iter().fold(0.0f32, |most, x| if x.abs() > most.abs() { *x } else { most });
    let half = f32::from(HALF);
    let d = most / -half;
    let by = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    pack(block, |x| (((x * by + half + 0.5) as i32) as u8).min(2 * HALF - 1), HALF == 16, out);
}

/// Integers from 0 to MOST, between the smallest weight and the largest.
fn ranged<const MOST: u8>(block: &[f32], out: &mut Vec<u8>) {
    let (low, high) = block.iter().fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
    let d = (high - low) / f32::from(MOST);
    let by = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(f16::from_f32(low).to_le_bytes());
    pack(block, |x| ((((x - low) * by + 0.5) as i32) as u8).min(MOST), MOST == 31, out);
}

/// Four bits each, the second half of a block above the first; before them the fifth bits, where there are `five`.
fn pack(block: &[f32], integer: impl Fn(f32) -> u8, five: bool, out: &mut Vec<u8>) {
    let mut q = [0u8; LEN];
    q.iter_mut().zip(block).for_each(|(q, x)| *q = integer(*x));
    if five {
        let high = q.iter().enumerate().fold(0u32, |bits, (i, q)| bits | u32::from(q >> 4) << i);
        out.extend(high.to_le_bytes());
    }
    let mut packed = [0u8; LEN / 2];
    packed.iter_mut().enumerate().for_each(|(i, packed)| *packed = q[i] & 15 | (q[i + LEN / 2] & 15) << 4);
    out.extend_from_slice(&packed);
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
