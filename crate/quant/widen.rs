//! Blocks of one type as blocks of a wider one that holds the same numbers, so that matrices of several types can be
//! read by one kernel.

use super::TensorType::{self, BF16, F16, F32, Q4_0, Q5_0, Q8_0};

/// Types that hold all that the ones before them hold, exactly: w = d·q with ever more bits for q, or floats.
const FAMILIES: [&[TensorType]; 3] = [&[Q4_0, Q5_0, Q8_0], &[F16, F32], &[BF16, F32]];

/// The narrowest type that holds both exactly; `None` where there is none.
pub fn common(a: TensorType, b: TensorType) -> Option<TensorType> {
    if a == b {
        return Some(a);
    }
    let family = FAMILIES.iter().find(|f| f.contains(&a) && f.contains(&b))?;
    family.iter().rfind(|t| **t == a || **t == b).copied()
}

/// Whole blocks of `from` as blocks of `to`, which [`common`] gave.
///
/// # Panics
/// Where `to` does not hold all of `from`.
pub fn widen(from: TensorType, to: TensorType, blocks: &[u8]) -> Vec<u8> {
    if from == to {
        return blocks.to_vec();
    }
    let wider = |f: &[TensorType]| f.iter().position(|t| *t == from) < f.iter().position(|t| *t == to);
    assert!(FAMILIES.iter().any(|f| f.contains(&from) && wider(f)), "{to:?} does not hold {from:?}");
    if to == F32 {
        let mut floats = vec![0f32; blocks.len() / from.block_bytes()];
        super::dequantize(from, blocks, &mut floats);
        return bytemuck::cast_slice(&floats).to_vec();
    }
    let mut out = Vec::with_capacity(blocks.len() / from.block_bytes() * to.block_bytes());
    for block in blocks.chunks_exact(from.block_bytes()) {
        let mut q = integers(from, block);
        // The scale stays; Q5_0 in turn stores its integers with a bias and the fifth bits apart.
        out.extend_from_slice(&block[..2]);
        if to == Q5_0 {
            q.iter_mut().for_each(|q| *q += 16);
            let high = q.iter().enumerate().fold(0u32, |bits, (i, q)| bits | (*q as u32 >> 4) << i);
            out.extend_from_slice(&high.to_le_bytes());
            out.extend((0..16).map(|i| q[i] as u8 & 15 | (q[i + 16] as u8 & 15) << 4));
        } else {
            out.extend(q.map(|q| q as u8));
        }
    }
    out
}

/// The q of w = d·q, of Q4_0 and Q5_0.
fn integers(kind: TensorType, block: &[u8]) -> [i8; 32] {
    let (nibbles, high) = match kind {
        Q4_0 => (&block[2..], None),
        _ => (&block[6..], Some(u32::from_le_bytes([block[2], block[3], block[4], block[5]]))),
    };
    std::array::from_fn(|i| {
        let low = nibbles[i % 16] >> (4 * (i / 16)) & 15;
        match high {
            None => low as i8 - 8,
            Some(bits) => (low | ((bits >> i & 1) << 4) as u8) as i8 - 16,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::TensorType::{Q4_1, Q4_K, Q6_K};
    use super::*;
    use crate::quant::dequantize;

    #[test]
    fn the_numbers_stay_the_same() {
        let mut seed = 1u32;
        let mut byte = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for (from, to) in [(Q4_0, Q5_0), (Q4_0, Q8_0), (Q5_0, Q8_0), (F16, F32), (BF16, F32)] {
            let mut blocks: Vec<u8> = (0..64 * from.block_bytes()).map(|_| byte()).collect();
            for block in blocks.chunks_exact_mut(from.block_bytes()) {
                // No NaN and no infinity, which equal nothing or much.
                block[1] &= 0x3b;
            }
            let mut want = vec![0f32; 64 * from.block_len()];
            dequantize(from, &blocks, &mut want);
            let mut got = vec![1f32; want.len()];
            dequantize(to, &widen(from, to, &blocks), &mut got);
            assert_eq!(got, want, "{from:?} as {to:?}");
        }
    }

    #[test]
    fn common_types() {
        assert_eq!(common(Q5_0, Q8_0), Some(Q8_0));
        assert_eq!(common(Q8_0, Q4_0), Some(Q8_0));
        assert_eq!(common(F32, BF16), Some(F32));
        assert_eq!(common(Q6_K, Q6_K), Some(Q6_K));
        for (a, b) in [(Q4_K, Q6_K), (F16, BF16), (Q4_1, Q8_0), (Q8_0, F16)] {
            assert_eq!(common(a, b), None, "{a:?} and {b:?}");
        }
    }
}
