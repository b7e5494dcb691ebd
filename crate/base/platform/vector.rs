//! The few vector instructions that `wide` does not have.

use wide::{i8x16, i16x8, i32x4, i32x8, u8x16};

/// [a0+a1, a2+a3, b0+b1, b2+b3]
#[inline(always)]
pub fn add_pairs(a: i32x4, b: i32x4) -> i32x4 {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    {
        use std::arch::wasm32::{i32x4_add, i32x4_shuffle};
        let (a, b) = (a.into(), b.into());
        return i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b)).into();
    }
    #[cfg(all(target_arch = "x86_64", target_feature = "ssse3"))]
    {
        // SAFETY: the feature is there.
        return bytemuck::cast(unsafe { std::arch::x86_64::_mm_hadd_epi32(bytemuck::cast(a), bytemuck::cast(b)) });
    }
    #[allow(unreachable_code, reason = "reached where no feature above is there")]
    {
        let (a, b) = (a.to_array(), b.to_array());
        i32x4::new([a[0] + a[1], a[2] + a[3], b[0] + b[1], b[2] + b[3]])
    }
}

/// Whether there is an instruction behind [`dot_bytes`].
pub const HAS_BYTES: bool = cfg!(any(
    all(target_arch = "wasm32", target_feature = "relaxed-simd"),
    all(target_arch = "x86_64", target_feature = "ssse3")
));

/// Sums of two products of neighbours: bytes of 0..128 times signed ones.
#[inline(always)]
pub fn dot_bytes(codes: u8x16, x: i8x16) -> i16x8 {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    {
        use std::arch::wasm32::i16x8_relaxed_dot_i8x16_i7x16;
        return i16x8_relaxed_dot_i8x16_i7x16(x.into(), codes.into()).into();
    }
    #[cfg(all(target_arch = "x86_64", target_feature = "ssse3"))]
    {
        // SAFETY: the feature is there.
        return bytemuck::cast(unsafe {
            std::arch::x86_64::_mm_maddubs_epi16(bytemuck::cast(codes), bytemuck::cast(x))
        });
    }
    #[allow(unreachable_code, reason = "reached where no feature above is there")]
    {
        let (codes, x) = (codes.to_array(), x.to_array());
        i16x8::new(std::array::from_fn(|i| (2 * i..2 * i + 2).map(|j| i16::from(codes[j]) * i16::from(x[j])).sum()))
    }
}

/// a and b in 16 bits: what does not fit becomes the nearest that does.
#[inline(always)]
pub fn narrow(a: i32x4, b: i32x4) -> i16x8 {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    {
        use std::arch::wasm32::i16x8_narrow_i32x4;
        return i16x8_narrow_i32x4(a.into(), b.into()).into();
    }
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    {
        // SAFETY: the feature is there.
        return bytemuck::cast(unsafe { std::arch::x86_64::_mm_packs_epi32(bytemuck::cast(a), bytemuck::cast(b)) });
    }
    #[allow(unreachable_code, reason = "reached where no feature above is there")]
    {
        let all: [i32; 8] = bytemuck::cast([a.to_array(), b.to_array()]);
        i16x8::new(all.map(|v| v.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16))
    }
}

/// The numbers in 32 bits, the first four before the others.
#[inline(always)]
pub fn widen(v: i16x8) -> [i32x4; 2] {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    {
        use std::arch::wasm32::{i32x4_extend_high_i16x8, i32x4_extend_low_i16x8};
        let v = v.into();
        return [i32x4_extend_low_i16x8(v).into(), i32x4_extend_high_i16x8(v).into()];
    }
    #[allow(unreachable_code, reason = "reached where no feature above is there")]
    bytemuck::cast(i32x8::from_i16x8(v))
}
