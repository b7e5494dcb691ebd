//! The very codes of a quantised matrix in a file's blocks of 32: nothing is rounded but scales that are no f16.

use half::f16;

use crate::quant::TensorType::{self, Q4_0, Q4_1, Q5_0, Q8_0};

/// Whether a code less its zero fits: `code + middle` has the bits of the type.
fn middle(kind: TensorType) -> i32 {
    match kind {
        Q4_0 => 8,
        Q5_0 => 16,
        _ => 0,
    }
}

/// Appends a block: `numbers` times `scale`, and `least` more.
pub fn put(kind: TensorType, numbers: &[i32; 32], scale: f32, least: f32, out: &mut Vec<u8>) {
    out.extend(f16::from_f32(scale).to_le_bytes());
    if kind == Q4_1 {
        out.extend(f16::from_f32(least).to_le_bytes());
    }
    if kind == Q8_0 {
        return out.extend(numbers.iter().map(|number| *number as i8 as u8));
    }
    let codes = numbers.map(|number| (number + middle(kind)) as u32);
    if kind == Q5_0 {
        let high = codes.iter().enumerate().fold(0u32, |bits, (i, code)| bits | (code >> 4 & 1) << i);
        out.extend(high.to_le_bytes());
    }
    let (first, second) = codes.split_at(16);
    out.extend(first.iter().zip(second).map(|(low, high)| (low & 15 | (high & 15) << 4) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::dequantize;

    #[test]
    fn blocks_hold_what_was_put() {
        for (kind, first, least) in [(Q4_0, -8, 0.0), (Q4_1, 0, 0.75), (Q5_0, -16, 0.0), (Q8_0, -128, 0.0)] {
            let span = if kind == Q8_0 { 256 } else { 2 * middle(kind).max(8) };
            let numbers: [i32; 32] = std::array::from_fn(|i| first + (i as i32 * 7) % span);
            let (mut bytes, mut found) = (Vec::new(), [0.0; 32]);
            put(kind, &numbers, 0.5, least, &mut bytes);
            dequantize(kind, &bytes, &mut found);
            assert_eq!(found, numbers.map(|number| number as f32 * 0.5 + least), "{kind:?}");
        }
    }
}
