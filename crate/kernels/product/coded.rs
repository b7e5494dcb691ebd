//! Types whose integers are codes: what they stand for is looked up, sixteen at a time.

#![allow(non_camel_case_types, reason = "the names of tensor types")]

use bytemuck::cast;
use wide::{f32x4, u8x16, u32x4};

use super::formats::{Format, Quad, Scales, number, single_half, single_scales, vector};
use super::layout::{ROWS, SPAN};
use crate::quant::{BOOKS, FP4, TensorType};

/// A table as the kernels multiply with it: less the bias, which is 128.
#[inline(always)]
fn biased(values: &[i8; 16]) -> u8x16 {
    cast::<[i8; 16], u8x16>(*values) ^ u8x16::splat(0x80)
}

pub struct IQ4_NL;

impl Format for IQ4_NL {
    const KIND: TensorType = TensorType::IQ4_NL;

    #[inline(always)]
    fn table(_quad: &Quad) -> Option<u8x16> {
        Some(biased(BOOKS[0]))
    }

    #[inline(never)]
    fn scales(quad: &Quad, first: usize, count: usize, to: &mut Scales) {
        single_scales(quad.0[1], first, count, to);
    }
}

/// Of three tables, and all rows of a part have the same: which it is stands above each scale.
pub struct IQ4_XS;

impl IQ4_XS {
    #[inline(always)]
    fn book(quad: &Quad) -> usize {
        (quad.0[1][0] >> 6 & 3) as usize
    }
}

impl Format for IQ4_XS {
    const KIND: TensorType = TensorType::IQ4_XS;

    #[inline(always)]
    fn table(quad: &Quad) -> Option<u8x16> {
        Some(biased(BOOKS[Self::book(quad).min(2)]))
    }

    #[inline(never)]
    fn scales(quad: &Quad, first: usize, _count: usize, to: &mut Scales) {
        // The tables of the others have twice their values.
        let unit = f32x4::splat(if Self::book(quad) == 0 { 1.0 } else { 0.5 });
        let d = single_half(quad.0[2], first / SPAN) * unit;
        for i in 0..SPAN {
            let scale = number(vector(quad.0[1], first / 4 + i / 4), 8 * (i as u32 % 4), 63);
            to.scale[i] = d * (scale - f32x4::splat(32.0));
        }
    }
}

pub struct MXFP4;

impl Format for MXFP4 {
    const KIND: TensorType = TensorType::MXFP4;

    #[inline(always)]
    fn table(_quad: &Quad) -> Option<u8x16> {
        Some(biased(&FP4))
    }

    #[inline(never)]
    fn scales(quad: &Quad, first: usize, count: usize, to: &mut Scales) {
        for i in 0..count {
            let pair = vector(quad.0[1], first + i);
            to.scale[2 * i] = cast(pair << 16u32);
            to.scale[2 * i + 1] = cast(pair & u32x4::splat(0xffff_0000));
        }
    }
}

/// Its tables are made of the magnitudes that stand by the scales; all rows of a part have the same.
pub struct IQ2_S;

impl Format for IQ2_S {
    const KIND: TensorType = TensorType::IQ2_S;

    #[inline(always)]
    fn table(quad: &Quad) -> Option<u8x16> {
        let above = quad.0[2][3 * ROWS] | 0x8080_8080;
        // 128 less a magnitude is the two's complement of 128 more.
        let below = u32::from_le_bytes(above.to_le_bytes().map(u8::wrapping_neg));
        Some(cast([above, below, above, below]))
    }

    #[inline(always)]
    fn scales(quad: &Quad, first: usize, _count: usize, to: &mut Scales) {
        let words = &quad.0[2][first / SPAN * 4 * ROWS..][..4 * ROWS];
        let d: f32x4 = cast(vector(words, 0));
        for i in 0..2 * SPAN {
            let scale = number(vector(words, 1 + i / SPAN), 4 * (i as u32 % 8), 15);
            to.scale[i] = d * (scale + scale + f32x4::ONE);
        }
    }
}
