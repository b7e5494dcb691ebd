//! Weights of 16 bits, as integers that are multiplied with activations of as many: for many rows, which then come twice as
//! quickly as by products of floats. What is lost is about what such floats had lost when they were made.

use bytemuck::cast;
use wide::f32x4;

use super::activations::{Activation, BLOCK};
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
/// What the sizes of a block's integers may sum up to: times the largest activation that is less than 2^31.
const SUM: f32 = 262_080.0;

/// A block of whole times 32 numbers as w = scale · q: row `row` of four, four q in each word. Gives the scale. Numbers
/// that are none make it none.
#[inline(always)]
pub fn round(w: &[f32], to: &mut [[u64; ROWS]], row: usize) -> f32 {
    let w = w.as_chunks::<BLOCK>().0;
    let (mut most, mut sum) = (f32x4::ZERO, f32x4::ZERO);
    for v in w.iter().flat_map(|w| cast::<_, [f32x4; 8]>(*w)) {
        let size = v.abs();
        most = most.fast_max(size);
        sum += size;
    }
    let sum = math::sum(sum);
    let scale = math::largest(most).max(sum * (i16::MOST / SUM)) * (1.0 / i16::MOST) + sum * 0.0;
    let inverse = f32x4::splat(if scale > 0.0 { 1.0 / scale } else { 0.0 });
    for (w, to) in w.iter().zip(to.as_chunks_mut::<8>().0) {
        let w: [[f32x4; 2]; 4] = cast(*w);
        let pairs = w.map(|[a, b]| vector::narrow(math::nearest(a * inverse), math::nearest(b * inverse)));
        to.iter_mut().zip(cast::<_, [u64; 8]>(pairs)).for_each(|(to, four)| to[row] = four);
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(w: &[f32; COLUMNS]) -> (f32, [i16; COLUMNS]) {
        let mut fours = [[0; ROWS]; COLUMNS / 4];
        let scale = round(w, &mut fours, 1);
        (scale, cast(fours.map(|four| four[1])))
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
