//! Weights of 16 bits, as integers that are multiplied with activations of as many: for many rows, which then come twice as
//! quickly as by products of floats. What is lost is less than such floats had lost when they were made.

use bytemuck::cast;
use wide::{f32x4, i16x8};

use super::activations::{Activation, BLOCK};
use super::formats::{Format, Quad, Scales};
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

/// What the sizes of the integers may sum up to: times the largest activation that is less than 2^31.
const SUM: f32 = 65_520.0;

/// 32 numbers as w = scale · q, four q in each word. Numbers that are none make the scale none.
#[inline(always)]
pub fn round(w: &[f32; BLOCK]) -> (f32, [u64; 8]) {
    let w: &[f32x4; 8] = &cast(*w);
    let (mut most, mut sum) = (f32x4::ZERO, f32x4::ZERO);
    for v in w {
        let size = v.abs();
        most = most.fast_max(size);
        sum += size;
    }
    let sum = math::sum(sum);
    let scale = math::largest(most).max(sum * (i16::MOST / SUM)) * (1.0 / i16::MOST) + sum * 0.0;
    let inverse = f32x4::splat(if scale > 0.0 { 1.0 / scale } else { 0.0 });
    let mut pairs = [i16x8::ZERO; 4];
    for (to, [a, b]) in pairs.iter_mut().zip(w.as_chunks::<2>().0) {
        *to = vector::narrow(math::nearest(*a * inverse), math::nearest(*b * inverse));
    }
    (scale, cast(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(w: &[f32; BLOCK]) -> (f32, [i16; BLOCK]) {
        let (scale, q) = round(w);
        (scale, cast(q))
    }

    #[test]
    fn integers_are_as_large_as_their_sums_allow() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed) / f64::from(u32::MAX) - 0.5
        };
        for (power, largest) in [(1, 2047), (5, 2047), (101, 10_000)] {
            let w: [f32; BLOCK] = std::array::from_fn(|_| (random() * 2.0).powi(power) as f32);
            let (scale, q) = integers(&w);
            for (w, &q) in w.iter().zip(&q) {
                assert!((w - scale * f32::from(q)).abs() <= 0.501 * scale, "{w} as {q} times {scale}");
            }
            assert!(q.iter().any(|q| q.unsigned_abs() > largest), "{q:?}");
        }
        // The worst that there is: all as large as can be.
        let (scale, q) = integers(&[-3.0; BLOCK]);
        assert!(q.iter().all(|&other| other == q[0]) && (f32::from(q[0]) * scale + 3.0).abs() < 1e-3);
        assert!(32 * i64::from(q[0].unsigned_abs()) * 32767 < 1 << 31, "{}", q[0]);
        assert_eq!(integers(&[0.0; BLOCK]), (0.0, [0; BLOCK]));
        for odd in [f32::NAN, f32::INFINITY] {
            let mut w = [1.0; BLOCK];
            w[17] = odd;
            assert!(!integers(&w).0.is_finite());
        }
    }
}
