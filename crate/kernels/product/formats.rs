//! Reading arranged weights (see `quads`): the integers and scales of four rows, block by block of 32 columns.

use bytemuck::cast;
use wide::{f32x4, i32x4, u8x16, u16x8, u32x4};

use super::halves;
use super::layout::{ROWS, SPAN, plane_words};
use crate::kernels::cpu::half::{to_f32, widen};
use crate::quant::{self, TensorType};

/// The form of a quantized type: w = scale · (u − bias), or w = scale · u + offset where there is no bias.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// (bits, their lowest in the stored integer) of each plane of integers.
    fields: &'static [(u32, u32)],
    pub bias: i32,
    /// Scales of a block: for 32 columns, or for 16 each.
    pub each: usize,
    /// The top bits of a word of the first plane, where integers are stored signed.
    pub flip: u32,
    /// The plane that has one f16 a row and step, if one has.
    halves: usize,
    /// Columns of a block of activations, whose integers are at most so large.
    pub columns: usize,
    pub most: f32,
}

/// No plane of single halves.
const NONE: usize = usize::MAX;
/// The bias of types whose stored integers are codes: u is what a table has for them.
pub(super) const CODED: i32 = 128;

pub const fn form(kind: TensorType) -> Form {
    let (fields, bias, each, flip, halves): (&'static [(u32, u32)], _, _, _, _) = match kind {
        TensorType::Q4_0 => (&[(4, 0)], 8, 1, 0x8888_8888, 1),
        TensorType::Q4_1 | TensorType::Q4_K => (&[(4, 0)], 0, 1, 0, NONE),
        TensorType::Q5_0 => (&[(4, 1), (1, 0)], 16, 1, 0x8888_8888, 2),
        TensorType::Q5_1 | TensorType::Q5_K => (&[(4, 0), (1, 4)], 0, 1, 0, NONE),
        TensorType::Q8_0 => (&[(8, 0)], 128, 1, 0x8080_8080, 1),
        TensorType::Q2_K => (&[(2, 0)], 0, 2, 0, NONE),
        TensorType::Q3_K => (&[(2, 1), (1, 0)], 4, 2, 0xaaaa_aaaa, NONE),
        TensorType::Q6_K => (&[(4, 2), (2, 0)], 32, 2, 0x8888_8888, 3),
        TensorType::IQ4_NL => (&[(4, 0)], CODED, 1, 0, 1),
        TensorType::IQ4_XS => (&[(4, 0)], CODED, 1, 0, 2),
        TensorType::MXFP4 => (&[(4, 0)], CODED, 2, 0, NONE),
        TensorType::IQ2_S => (&[(2, 0), (1, 2)], CODED, 2, 0, NONE),
        TensorType::Q2_0 => (&[(2, 0)], 1, 1, 0, 1),
        TensorType::Q1_0 => (&[(1, 0)], 0, 1, 0, 1),
        // Floats, as they are multiplied with many rows: without offsets.
        _ => return Form { columns: halves::COLUMNS, most: halves::MOST, ..Form::NOTHING },
    };
    Form { fields, bias, each, flip, halves, ..Form::NOTHING }
}

impl Form {
    const NOTHING: Form =
        Form { fields: &[], bias: 0, each: 1, flip: 0, halves: NONE, columns: 32, most: f32::INFINITY };

    /// Whether products need the sums of activations.
    pub const fn needs_sums(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Bits of u.
    pub const fn bits(&self) -> u32 {
        if self.bias == CODED {
            return 8;
        }
        let (mut bits, mut i) = (0, 0);
        while i < self.fields.len() {
            bits += self.fields[i].0;
            i += 1;
        }
        bits
    }

    /// Whether numbers are added to scaled integers.
    pub const fn has_offsets(&self) -> bool {
        self.bias == 0 && !self.fields.is_empty()
    }

    /// Words of a plane of integers that belong to a block of four rows.
    const fn words(&self, plane: usize) -> usize {
        if plane < self.fields.len() { self.fields[plane].0 as usize * ROWS } else { 0 }
    }

    /// Whether a plane has one f16 a row and step: the scales of types that have no others.
    pub fn has_single_halves(&self, plane: usize) -> bool {
        plane == self.halves
    }
}

/// A part of a matrix, as a weight kernel's buffer and parameters give it.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub kind: TensorType,
    pub words: &'a [u32],
    pub planes: [u32; 4],
    /// Words of four rows in each plane.
    lens: [usize; 4],
    /// Blocks in a row.
    pub blocks: usize,
}

/// Four rows of a part: their run of each plane.
#[derive(Clone, Copy)]
pub struct Quad<'a>(pub(super) [&'a [u32]; 4]);

impl<'a> Part<'a> {
    pub fn new(kind: TensorType, words: &'a [u32], planes: [u32; 4], blocks: usize) -> Self {
        let mut lens = [0; 4];
        for (plane, len) in lens.iter_mut().enumerate().take(quant::planes(kind).len()) {
            *len = plane_words(kind, plane, blocks);
        }
        Part { kind, words, planes, lens, blocks }
    }

    #[inline(always)]
    pub fn quad(&self, index: usize) -> Quad<'a> {
        Quad(std::array::from_fn(|plane| match self.lens[plane] {
            0 => &[][..],
            len => &self.words[self.planes[plane] as usize + index * len..][..len],
        }))
    }
}

/// What turns the integers of up to eight blocks into weights, in the order of the columns; a vector holds four rows'.
pub struct Scales {
    pub scale: [f32x4; 2 * SPAN],
    pub offset: [f32x4; 2 * SPAN],
}

impl Default for Scales {
    fn default() -> Self {
        Scales { scale: [f32x4::ZERO; 2 * SPAN], offset: [f32x4::ZERO; 2 * SPAN] }
    }
}

/// A type as the kernels are compiled for it.
pub trait Format {
    const KIND: TensorType;
    const FORM: Form = form(Self::KIND);
    /// What the codes of these rows stand for, plus 128; `None` where integers are stored, not codes.
    #[inline(always)]
    fn table(_quad: &Quad) -> Option<u8x16> {
        None
    }
    /// Scales of `count` blocks from `first`, a multiple of 8.
    fn scales(quad: &Quad, first: usize, count: usize, to: &mut Scales);
}

impl<'a> Quad<'a> {
    /// The planes of integers, of `blocks` blocks.
    #[inline(always)]
    pub fn integers<F: Format>(&self, blocks: usize) -> Integers<'a> {
        let words = |plane: usize| &self.0[plane][..blocks * F::FORM.words(plane)];
        let words_of = [F::FORM.words(0), F::FORM.words(1)];
        Integers { low: words(0), high: words(1), words: words_of, table: F::table(self) }
    }
}

/// The stored integers of four rows.
#[derive(Clone, Copy)]
pub struct Integers<'a> {
    low: &'a [u32],
    high: &'a [u32],
    /// Of a block.
    words: [usize; 2],
    table: Option<u8x16>,
}

impl<'a> Integers<'a> {
    /// # Safety
    /// There are more than `b` blocks.
    #[inline(always)]
    pub unsafe fn block(&self, b: usize) -> Packed<'a> {
        let of = |all: &'a [u32], words: usize| {
            debug_assert!((b + 1) * words <= all.len());
            // SAFETY: by this function's promise there are as many.
            unsafe { all.get_unchecked(b * words..(b + 1) * words) }
        };
        Packed { low: of(self.low, self.words[0]), high: of(self.high, self.words[1]), table: self.table }
    }
}

/// Those of a block, plane by plane.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    low: &'a [u32],
    high: &'a [u32],
    table: Option<u8x16>,
}

impl Packed<'_> {
    /// Vector `j` of 8 has columns 4j..4j+4 of each row.
    #[inline(always)]
    pub fn codes<F: Format>(&self, j: usize) -> u8x16 {
        let of = |words: &[u32], (bits, to): (u32, u32)| {
            let at = j as u32 * bits;
            field(vector(words, at as usize / 8), bits, at % 8, to)
        };
        let low = of(self.low, F::FORM.fields[0]);
        let all = if F::FORM.fields.len() > 1 { low | of(self.high, F::FORM.fields[1]) } else { low };
        self.table.map_or(all, |table| table.shuffle(all))
    }
}

#[inline(always)]
pub(super) fn vector(words: &[u32], index: usize) -> u32x4 {
    let w: &[u32; 4] = words[4 * index..][..4].try_into().expect("four words");
    u32x4::new(*w)
}

/// The field of `bits` bits at bit `from` of every byte, moved to bit `to`.
#[inline(always)]
fn field(v: u32x4, bits: u32, from: u32, to: u32) -> u8x16 {
    if bits == 8 {
        return cast(v);
    }
    let v: u16x8 = cast(v);
    let moved: u8x16 = cast(if to > from {
        v << (to - from)
    } else if to < from {
        v >> (from - to)
    } else {
        v
    });
    moved & u8x16::splat(((0xff >> (8 - bits)) << to) as u8)
}

#[inline(always)]
fn low_half(v: u32x4) -> f32x4 {
    to_f32(v & u32x4::splat(0xffff))
}

#[inline(always)]
fn high_half(v: u32x4) -> f32x4 {
    to_f32(v >> 16u32)
}

/// `bits` bits from bit `at` on, as floats.
#[inline(always)]
pub(super) fn number(v: u32x4, at: u32, mask: u32) -> f32x4 {
    cast::<_, i32x4>((v >> at) & u32x4::splat(mask)).round_float()
}

/// The one f16 of step `index` (see `quads`).
#[inline(always)]
pub(super) fn single_half(words: &[u32], index: usize) -> f32x4 {
    if (index | 1) * 2 + 2 <= words.len() {
        let v = vector(words, index / 2);
        return if index.is_multiple_of(2) { low_half(v) } else { high_half(v) };
    }
    let (a, b) = (words[2 * index], words[2 * index + 1]);
    to_f32(u32x4::new([a & 0xffff, a >> 16, b & 0xffff, b >> 16]))
}

/// One f16 a block: d.
#[inline(always)]
pub(super) fn single_scales(words: &[u32], first: usize, count: usize, to: &mut Scales) {
    for i in (0..count & !1).step_by(2) {
        to.scale[i..i + 2].copy_from_slice(&widen(vector(words, (first + i) / 2)));
    }
    if count % 2 == 1 {
        to.scale[count - 1] = single_half(words, first + count - 1);
    }
}

/// Two f16 a block: d and m.
#[inline(always)]
fn pair_scales(words: &[u32], first: usize, count: usize, to: &mut Scales) {
    for i in 0..count {
        [to.scale[i], to.offset[i]] = widen(vector(words, first + i));
    }
}

/// The first and second number of six bits of each block, as `shaders/formats/scales6.wgsl` has them.
#[inline(always)]
fn six_bits(words: &[u32], block: usize) -> [f32x4; 2] {
    let i = block as u32;
    let (low, high) = ([vector(words, 1), vector(words, 2)], vector(words, 3));
    std::array::from_fn(|which| {
        let upper = (high >> (16 * which as u32 + 2 * i)) & u32x4::splat(3);
        let six = (low[which] >> (4 * i)) & u32x4::splat(15) | upper << 4u32;
        cast::<_, i32x4>(six).round_float()
    })
}

/// (d, dmin), and six bits a block for each.
#[inline(always)]
fn k_scales(words: &[u32], first: usize, to: &mut Scales) {
    let words = &words[first / SPAN * 4 * ROWS..][..4 * ROWS];
    let (d, dmin) = (low_half(vector(words, 0)), high_half(vector(words, 0)));
    for i in 0..SPAN {
        let [scale, min] = six_bits(words, i);
        (to.scale[i], to.offset[i]) = (d * scale, -(dmin * min));
    }
}

macro_rules! formats {
    ($($kind:ident: |$quad:ident, $first:ident, $count:ident, $to:ident| $scales:expr;)+) => {
        $(
            #[allow(non_camel_case_types, reason = "the names of tensor types")]
            pub struct $kind;
            impl Format for $kind {
                const KIND: TensorType = TensorType::$kind;
                #[inline(always)]
                fn scales($quad: &Quad, $first: usize, $count: usize, $to: &mut Scales) {
                    $scales
                }
            }
        )+
    };
}

/// One f16 for `step` blocks: d.
#[inline(always)]
fn shared_scales(words: &[u32], first: usize, count: usize, step: usize, to: &mut Scales) {
    for i in (0..count).step_by(step) {
        to.scale[i..i + step].fill(single_half(words, (first + i) / step));
    }
}

formats! {
    Q4_0: |quad, first, count, to| single_scales(quad.0[1], first, count, to);
    Q4_1: |quad, first, count, to| pair_scales(quad.0[1], first, count, to);
    Q5_0: |quad, first, count, to| single_scales(quad.0[2], first, count, to);
    Q5_1: |quad, first, count, to| pair_scales(quad.0[2], first, count, to);
    Q8_0: |quad, first, count, to| single_scales(quad.0[1], first, count, to);
    Q2_K: |quad, first, _count, to| {
        let d = vector(quad.0[2], first / SPAN);
        let (d, dmin) = (low_half(d), high_half(d));
        for i in 0..2 * SPAN {
            let v = vector(quad.0[1], first / 2 + i / 4);
            let at = 8 * (i as u32 % 4);
            (to.scale[i], to.offset[i]) = (d * number(v, at, 15), -(dmin * number(v, at + 4, 15)));
        }
    };
    Q3_K: |quad, first, _count, to| {
        let words = &quad.0[2][first / SPAN * 4 * ROWS..][..4 * ROWS];
        let d: f32x4 = cast(vector(words, 0));
        for i in 0..SPAN {
            let pair = six_bits(words, i).map(|s| d * (s - f32x4::splat(32.0)));
            to.scale[2 * i..][..2].copy_from_slice(&pair);
        }
    };
    Q4_K: |quad, first, _count, to| k_scales(quad.0[1], first, to);
    Q5_K: |quad, first, _count, to| k_scales(quad.0[2], first, to);
    Q6_K: |quad, first, _count, to| {
        let d = single_half(quad.0[3], first / SPAN);
        for i in 0..2 * SPAN {
            // A word has the odd block's two in its lower half.
            let v: i32x4 = cast(vector(quad.0[2], first / 2 + i / 4));
            let at = 8 * ((i as u32 % 4) ^ 2);
            to.scale[i] = d * ((v << (24 - at)) >> 24u32).round_float();
        }
    };
    Q2_0: |quad, first, count, to| shared_scales(quad.0[1], first, count, 2, to);
    Q1_0: |quad, first, count, to| {
        shared_scales(quad.0[1], first, count, 4, to);
        for i in 0..count {
            (to.scale[i], to.offset[i]) = (to.scale[i] + to.scale[i], -to.scale[i]);
        }
    };
}

/// `$body` with `$F` as the format of a quantized type.
macro_rules! with_format {
    ($kind:expr, $F:ident => $body:expr) => {
        with_format!($kind, $F => $body;
            formats Q4_0 formats Q4_1 formats Q5_0 formats Q5_1 formats Q8_0 formats Q2_K formats Q3_K formats Q4_K
            formats Q5_K formats Q6_K formats Q2_0 formats Q1_0 coded IQ4_NL coded IQ4_XS coded MXFP4 coded IQ2_S)
    };
    ($kind:expr, $F:ident => $body:expr; $($file:ident $name:ident)+) => {
        match $kind {
            $($crate::quant::TensorType::$name => {
                type $F = $crate::kernels::product::$file::$name;
                $body
            })+
            _ => unreachable!("floats have a kernel of their own"),
        }
    };
}
pub(super) use with_format;
