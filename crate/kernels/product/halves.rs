//! Weights of 16 bits, as integers that are multiplied with activations of as many: for many rows, which then come twice as
//! quickly as by products of floats. What is lost is about what such floats had lost when they were made. Quantized weights are made
//! such integers anew where a model's texts are read whole: blocks of 32 columns end four times as often.

use wide::{f32x4, i16x8};

use super::activations::Activation;
use super::formats::{Format, Quad, Scales};
use super::layout::ROWS;
use crate::base::platform::vector;
use crate::kernels::cpu::math;
use crate::quant::TensorType;

/// Their form: nothing is added to scaled integers.
pub struct Half;

impl Format for Half {
    const KIND: TensorType = TensorType::F16;

    fn scales(_: &Quad, _: usize, _: usize, _: &mut Scales) {
        unreachable!("they are made with the integers")
    }
}

/// Columns that share a scale: what is done once for each such block takes time too.
pub const COLUMNS: usize = 128;
/// The largest activation. Fewer bits than an i16 has leave more of an i32 to the weights.
pub const MOST: f32 = 8191.0;
/// What the sizes of a block's integers may sum up to: times the largest activation that is less than 2^31, and where all are as
/// large they are whole.
const SUM: f32 = (2047 * COLUMNS) as f32;

/// A block of four rows, of whole times 32 numbers each, as w = scale · q, four q of each row a step. Gives the rows' scales.
/// Numbers that are none make theirs none.
#[inline(always)]
pub fn round(rows: [&[f32]; ROWS], to: &mut [[i16x8; 2]]) -> f32x4 {
    let rows = rows.map(|row| &row.as_chunks::<4>().0[..to.len()]);
    let scales = rows.map(|row| {
        let (mut most, mut sum) = (f32x4::ZERO, f32x4::ZERO);
        for v in row {
            let size = f32x4::new(*v).abs();
            most = most.fast_max(size);
            sum += size;
        }
        let sum = math::sum(sum);
        math::largest(most).max(sum * (i16::MOST / SUM)) * (1.0 / i16::MOST) + sum * 0.0
    });
    let inverse = scales.map(|scale| f32x4::splat(if scale > 0.0 { 1.0 / scale } else { 0.0 }));
    for (i, to) in to.iter_mut().enumerate() {
        let q = |r: usize| math::nearest(f32x4::new(rows[r][i]) * inverse[r]);
        *to = [vector::narrow(q(0), q(1)), vector::narrow(q(2), q(3))];
    }
    f32x4::new(scales)
}

#[cfg(test)]
mod tests {
    use bytemuck::cast;

    use super::*;

    fn integers(w: &[f32; COLUMNS]) -> (f32, [i16; COLUMNS]) {
        let mut fours = [[i16x8::ZERO; 2]; COLUMNS / 4];
        let scales = round([&[1.0; COLUMNS], w, &[0.0; COLUMNS], &[2.0; COLUMNS]], &mut fours).to_array();
        assert_eq!((scales[2], 2.0 * scales[0]), (0.0, scales[3]));
        let q = fours.map(|[pair, _]| <[i16; 4]>::try_from(&pair.to_array()[4..]).expect("four of eight"));
        (scales[1], cast(q))
    }

    #[test]
    fn integers_are_as_large_as_their_sums_allow() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed) / f64::from(u32::MAX) - 0.5
        };
        for (power, largest) in [(1, 2047), (5, 8191), (101, 10_000)] {
            let w: [f32; COLUMNS] = std::array::from_fn(|_| (random() * 2.0).powi(power) as f32);
            let (scale, q) = integers(&w);
            for (w, &q) in w.iter().zip(&q) {
                assert!((w - scale * f32::from(q)).abs() <= 0.501 * scale, "{w} as {q} times {scale}");
            }
            assert!(q.iter().any(|q| q.unsigned_abs() > largest), "{q:?}");
        }
        // The worst that there is: all as large as can be.
        let (scale, q) = integers(&[-3.0; COLUMNS]);
        assert!(q.iter().all(|&other| other == q[0]) && (f32::from(q[0]) * scale + 3.0).abs() < 1e-3);
        let sum = COLUMNS as i64 * i64::from(q[0].unsigned_abs()) * MOST as i64;
        assert!(sum > 1 << 30 && sum < 1 << 31, "{sum}");
        assert_eq!(integers(&[0.0; COLUMNS]), (0.0, [0; COLUMNS]));
        for odd in [f32::NAN, f32::INFINITY] {
            let mut w = [1.0; COLUMNS];
            w[17] = odd;
            assert!(!integers(&w).0.is_finite());
        }
    }
}
