//! What several kernels compute, four numbers at a time.

use bytemuck::cast;
use wide::{f32x4, i32x4};

/// Of its four lanes.
#[inline(always)]
pub fn sum(v: f32x4) -> f32 {
    let [a, b, c, d] = v.to_array();
    (a + b) + (c + d)
}

/// The largest of four; not a number may be lost.
#[inline(always)]
pub fn max(v: f32x4) -> f32 {
    let [a, b, c, d] = v.to_array();
    a.max(b).max(c.max(d))
}

/// The largest of four that are numbers.
#[inline(always)]
pub fn largest(v: f32x4) -> f32 {
    let [a, b, c, d] = v.to_array();
    let of = |a: f32, b: f32| if a > b { a } else { b };
    of(of(a, b), of(c, d))
}

/// The nearest whole numbers, halves to even, of numbers within 2^22; of others any.
#[inline(always)]
pub fn nearest(v: f32x4) -> i32x4 {
    // Numbers around 1.5 * 2^23 are whole, and lie in the low bits.
    let magic = f32x4::splat(12_582_912.0);
    cast::<_, i32x4>(v + magic) - cast::<_, i32x4>(magic)
}

/// The sum of squares; the length is a multiple of 4.
#[inline]
pub fn squares(x: &[f32]) -> f32 {
    let mut sums = [f32x4::ZERO; 4];
    let (wide, rest) = x.as_chunks::<16>();
    for x in wide {
        let x: [f32x4; 4] = cast(*x);
        (0..4).for_each(|i| sums[i] = x[i].mul_add(x[i], sums[i]));
    }
    for x in rest.as_chunks::<4>().0 {
        let x = f32x4::new(*x);
        sums[0] = x.mul_add(x, sums[0]);
    }
    sum((sums[0] + sums[1]) + (sums[2] + sums[3]))
}

/// e^x to some 2 units of the last place: 0 from -87 down, infinity from 88.3 up; what is not a number stays so.
/// The polynomial is that of `expf` in Cephes (Moshier).
#[inline(always)]
pub fn exp(x: f32x4) -> f32x4 {
    // Adding 1.5 * 2^23 rounds to whole numbers, which then lie in the low bits.
    let magic = f32x4::splat(12_582_912.0);
    let shifted = x.mul_add(f32x4::splat(std::f32::consts::LOG2_E), magic);
    let n = shifted - magic;
    // ln 2 in two parts, the first of few bits.
    let r = n.mul_add(f32x4::splat(-0.693_359_4), x);
    let r = n.mul_add(f32x4::splat(2.121_944_4e-4), r);
    let mut p = f32x4::splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, f32x4::splat(c));
    }
    let y = p.mul_add(r * r, r) + f32x4::splat(1.0);
    let power: f32x4 = cast((cast::<_, i32x4>(shifted) + i32x4::splat(127)) << 23u32);
    let tiny: i32x4 = cast(x.simd_lt(f32x4::splat(-87.0)));
    let huge = x.simd_gt(f32x4::splat(88.3));
    let y: i32x4 = !tiny & cast::<_, i32x4>(y * power);
    huge.select(f32x4::splat(f32::INFINITY), cast(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_that_of_floats() {
        for step in -400_000..=400_000i32 {
            let x = step as f32 / 8.0;
            let got = nearest(f32x4::new([x, -x, x * 83.0, 0.5])).to_array();
            assert_eq!(got, [x, -x, x * 83.0, 0.5].map(|x| x.round_ties_even() as i32), "{x}");
        }
    }

    #[test]
    fn exp_is_exact_enough_and_passes_on_what_is_no_number() {
        for step in -870_000..=883_000 {
            let x = step as f32 * 1e-4;
            let (got, want) = (exp(f32x4::new([x, 0.0, -x, 1.0])).to_array(), (x as f64).exp());
            assert!((got[0] as f64 - want).abs() <= 2.5e-7 * want, "e^{x} is {}, not {want}", got[0]);
            assert!(got[1] == 1.0 && (got[3] as f64 - 1f64.exp()).abs() < 3e-7);
        }
        let ends = exp(f32x4::new([f32::NEG_INFINITY, f32::INFINITY, f32::NAN, -3e38])).to_array();
        assert!(ends[0] == 0.0 && ends[1] == f32::INFINITY && ends[2].is_nan() && ends[3] == 0.0);
        assert_eq!(exp(f32x4::new([-88.0, 89.0, -1e9, 1e9])).to_array(), [0.0, f32::INFINITY, 0.0, f32::INFINITY]);
    }
}
