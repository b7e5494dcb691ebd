//! f16 to f32 and back, in integers: wasm has no f16. Exact, and rounding to the nearest even, as the `half` crate.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4, u32x4};

/// The exponent field of an f32, and what is added to that of an f16.
const EXPONENT: u32 = 0xff << 23;
const REBIAS: u32 = 112 << 23;

/// Four f16 in the low halves of the lanes; what the high halves hold does not matter. No step works on subnormal
/// numbers, which some processors are slow with: the scales of weights often are subnormal as f16.
#[inline]
pub fn to_f32(bits: u32x4) -> f32x4 {
    let magnitude: i32x4 = cast((bits & u32x4::splat(0x7fff)) << 13);
    let rebiased = magnitude + i32x4::splat(REBIAS as i32);
    // A subnormal gets a leading one, which is then subtracted as a number.
    let leading_one = 113 << 23;
    let one = rebiased.simd_lt(i32x4::splat(leading_one)) & i32x4::splat(leading_one);
    let finite: u32x4 = cast(cast::<_, f32x4>(rebiased | one) - cast::<_, f32x4>(one));
    let endless: u32x4 = cast(magnitude.simd_gt(i32x4::splat(0x7bff << 13)));
    let sign = (bits & u32x4::splat(0x8000)) << 16;
    cast(finite | endless & u32x4::splat(EXPONENT) | sign)
}

/// Eight f16, of which a word holds two: those in the low halves and those in the high halves. Quicker than [`to_f32`]
/// where few of them are subnormal, as in keys and values.
#[inline]
pub fn widen(words: u32x4) -> [f32x4; 2] {
    let magnitude: i16x8 = cast(words & u32x4::splat(0x7fff_7fff));
    let endless: u32x4 = cast(magnitude.simd_gt(i16x8::splat(0x7bff)));
    let finite = |high: u32x4| {
        // The exponent is 112 too small, and right after the product, for subnormals too.
        let small: f32x4 = cast((cast::<_, i32x4>(high) >> 3u32) & i32x4::splat(0x8fff_e000u32 as i32));
        cast::<_, u32x4>(small * f32x4::splat(f32::from_bits((127 + 112) << 23)))
    };
    let exponent = u32x4::splat(EXPONENT);
    [cast(finite(words << 16u32) | (endless << 16u32) & exponent), cast(finite(words) | endless & exponent)]
}

/// Four f16 in the low halves of the lanes, whose high halves are 0.
#[inline]
pub fn from_f32(values: f32x4) -> u32x4 {
    let bits: u32x4 = cast(values);
    let magnitude: i32x4 = cast(bits & u32x4::splat(0x7fff_ffff));
    let constant = |bits: u32| i32x4::splat(bits as i32);

    // Half a unit of f16, less where the last bit kept is 0, carries into it.
    let odd: i32x4 = cast((cast::<_, u32x4>(magnitude) >> 13u32) & u32x4::splat(1));
    let normal: u32x4 = cast(magnitude - constant(REBIAS) + constant(0xfff) + odd);
    // Added to 0.5, a number's last bit is worth 2^-24, the smallest f16: the sum rounds.
    let sum: i32x4 = cast(cast::<_, f32x4>(magnitude) + f32x4::splat(0.5));
    let subnormal: u32x4 = cast(sum - constant(0.5f32.to_bits()));
    let nan: u32x4 = cast(magnitude.simd_gt(constant(EXPONENT)));
    let payload = u32x4::splat(0x200) | ((bits >> 13u32) & u32x4::splat(0x3ff));
    let endless = u32x4::splat(0x7c00) | nan & payload;

    let is_small: u32x4 = cast(magnitude.simd_lt(constant(113 << 23)));
    let is_large: u32x4 = cast(magnitude.simd_gt(constant((143 << 23) - 1)));
    let finite = is_small.bitselect(subnormal, normal >> 13u32);
    is_large.bitselect(endless, finite) | ((bits >> 16u32) & u32x4::splat(0x8000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn same(got: f32, bits: u16) {
        let want = f16::from_bits(bits).to_f32();
        assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{bits:#x}: {got}, not {want}");
    }

    #[test]
    fn every_f16_widens() {
        for bits in 0..=u16::MAX {
            // What lies beside a number changes nothing.
            for beside in [0, 0xffff, !bits, 0x7c00] {
                let (word, swapped) = (bits as u32 | (beside as u32) << 16, beside as u32 | (bits as u32) << 16);
                to_f32(u32x4::new([word, 0, word, 0])).to_array().iter().step_by(2).for_each(|got| {
                    same(*got, bits);
                });
                let [low, high] = widen(u32x4::new([word, swapped, swapped, word])).map(f32x4::to_array);
                [low[0], low[3], high[1], high[2]].into_iter().for_each(|got| same(got, bits));
                [low[1], low[2], high[0], high[3]].into_iter().for_each(|got| same(got, beside));
            }
        }
    }

    #[test]
    fn f32_round_as_they_should() {
        let check = |value: f32| {
            let got = from_f32(f32x4::new([value, 1.0, value, -2.0])).to_array();
            let want = f16::from_f32(value).to_bits() as u32;
            assert_eq!((got[0], got[2]), (want, want), "{value} ({:#x})", value.to_bits());
            assert_eq!((got[1], got[3]), (0x3c00, 0xc000));
        };
        // Every f16, what lies halfway to the next, and the f32 on both sides of those.
        for bits in 0..=u16::MAX {
            let from = f16::from_bits(bits).to_f32().to_bits();
            for near in [0u32, 1, 0xfff, 0x1000, 0x1001, 0x1fff] {
                check(f32::from_bits(from.wrapping_add(near)));
                check(f32::from_bits(from.wrapping_sub(near)));
            }
            let (here, next) = (f16::from_bits(bits).to_f32(), f16::from_bits(bits.wrapping_add(1)).to_f32());
            let halfway = (here + next) * 0.5;
            [halfway, f32::from_bits(halfway.to_bits() + 1), f32::from_bits(halfway.to_bits().saturating_sub(1))]
                .into_iter()
                .for_each(check);
        }
        // And all over the line.
        (0..=u32::MAX).step_by(65_521).for_each(|bits| check(f32::from_bits(bits)));
    }
}
