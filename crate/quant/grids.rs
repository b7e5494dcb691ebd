//! Types whose weights are looked up: a few at a time in a grid, or one by one in a table.
//!
//! A grid is a chosen set of points: 4 or 8 weights, each one of few magnitudes. A file holds a point's number and the
//! signs of its weights. On the device every weight is a code of its own for an entry of [`table`], so that kernels know
//! nothing of grids: three bits for the types of 1 and 2 bits, four for those of 3.
//!
//! The grids are those of ggml (`ggml-common.h`). Each is in ascending order of its points read as numbers, the first
//! weight the lowest digit; so `grids.bin` has a bit for each such number (`tools/make_grids.py` writes it).

use std::sync::OnceLock;

use super::TensorType;
use half::f16;

/// What the 16 codes of IQ4_NL and IQ4_XS stand for.
pub(super) const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Floats of 4 bits (E2M1), twice their value.
pub(crate) const FP4: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
/// The magnitudes of IQ3_S, less to more, twice their value; and below them as many that are negative.
const IQ3_S_VALUES: [i8; 16] = [-30, -26, -22, -18, -14, -10, -6, -2, 2, 6, 10, 14, 18, 22, 26, 30];
/// The same of IQ3_XXS, half their value.
const IQ3_XXS_VALUES: [i8; 16] = [-31, -26, -22, -18, -14, -10, -6, -2, 2, 6, 10, 14, 18, 22, 26, 31];
/// Three magnitudes, and with the third bit the same below zero.
const IQ2_VALUES: [i8; 16] = [8, 25, 43, 0, -8, -25, -43, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// -1, 0 or 1 with the shift of an eighth, times eight; in the order of those.
const IQ1_VALUES: [i8; 16] = [1, 7, 9, 0, -1, -7, -9, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What the tables that share the planes of IQ4_XS are called there.
pub(crate) const BOOKS: [&[i8; 16]; 3] = [&IQ4, &IQ3_S_VALUES, &IQ3_XXS_VALUES];

/// A block of 256 weights: w = d · (2·scale + 1) · table\[code\], a scale for each 16.
pub(super) struct Points {
    pub d: f32,
    pub scales: [u8; 16],
    pub codes: [u8; 256],
}

/// What the codes of a type of [`points`] stand for.
pub(super) fn table(kind: TensorType) -> &'static [i8; 16] {
    match kind {
        TensorType::IQ3_S => &IQ3_S_VALUES,
        TensorType::IQ3_XXS => &IQ3_XXS_VALUES,
        TensorType::IQ1_S | TensorType::IQ1_M => &IQ1_VALUES,
        _ => &IQ2_VALUES,
    }
}

/// A block of one of the seven types with a grid.
pub(super) fn points(kind: TensorType, b: &[u8]) -> Points {
    let (d, decode): (u16, fn(&[u8], &mut Points)) = match kind {
        TensorType::IQ3_S => (short(b, 0), iq3_s),
        TensorType::IQ3_XXS => (short(b, 0), iq3_xxs),
        TensorType::IQ2_S => (short(b, 0), iq2_s),
        TensorType::IQ2_XS => (short(b, 0), iq2_xs),
        TensorType::IQ2_XXS => (short(b, 0), iq2_xxs),
        TensorType::IQ1_S => (short(b, 0), iq1_s),
        // The upper four bits of each short of scales are four of d.
        _ => ([54, 52, 50, 48].iter().fold(0, |d, &at| d << 4 | short(b, at) >> 12), iq1_m),
    };
    let unit = if kind.stored() == TensorType::IQ4_XS { 0.5 } else { 0.125 };
    let mut to = Points { d: f16::from_bits(d).to_f32() * unit, scales: [0; 16], codes: [0; 256] };
    decode(b, &mut to);
    to
}

/// d f16 · 8 times: four numbers of 8 bits, then four times 7 bits of signs, and the scale of 32 weights above them.
fn iq2_xxs(b: &[u8], to: &mut Points) {
    for run in 0..8 {
        let rest = word(b, 2 + 8 * run + 4);
        to.scales[2 * run..][..2].fill((rest >> 28) as u8);
        for i in 0..4 {
            to.eight(4 * run + i, grid(&IQ2_XXS, b[2 + 8 * run + i].into()), even(rest >> (7 * i)));
        }
    }
}

/// d f16 · 32 shorts: a number of 9 bits, 7 bits of signs · 8 bytes of scales, of 16 weights each.
fn iq2_xs(b: &[u8], to: &mut Points) {
    to.scales = nibbles(&b[66..]);
    for i in 0..32 {
        let q = short(b, 2 + 2 * i);
        to.eight(i, grid(&IQ2_XS, q & 511), even(u32::from(q >> 9)));
    }
}

/// d f16 · 32 bytes, the numbers' low 8 bits · 32 bytes of signs · their high 2 bits · scales as IQ2_XS.
fn iq2_s(b: &[u8], to: &mut Points) {
    to.scales = nibbles(&b[74..]);
    for i in 0..32 {
        let high = u16::from(b[66 + i / 4] >> (2 * (i % 4)) & 3);
        to.eight(i, grid(&IQ2_S, u16::from(b[2 + i]) | high << 8), b[34 + i]);
    }
}

/// d f16 · 64 numbers of 8 bits · 8 words: four times 7 bits of signs, and the scale of 32 weights above them.
fn iq3_xxs(b: &[u8], to: &mut Points) {
    for run in 0..8 {
        let rest = word(b, 66 + 4 * run);
        to.scales[2 * run..][..2].fill((rest >> 28) as u8);
        for i in 0..8 {
            let signs = even(rest >> (7 * (i / 2))) >> (4 * (i % 2));
            to.four(8 * run + i, grid(&IQ3_XXS, b[2 + 8 * run + i].into()), signs);
        }
    }
}

/// d f16 · 64 bytes, the numbers' low 8 bits · their ninth bits · 32 bytes of signs · 4 bytes of scales, of 32 weights.
fn iq3_s(b: &[u8], to: &mut Points) {
    let scales = nibbles(&[&b[106..110], &[0; 4]].concat());
    to.scales = std::array::from_fn(|i| scales[i / 2]);
    for i in 0..64 {
        let high = u16::from(b[66 + i / 8] >> (i % 8) & 1);
        to.four(i, grid(&IQ3_S, u16::from(b[2 + i]) | high << 8), b[74 + i / 2] >> (4 * (i % 2)));
    }
}

/// d f16 · 32 bytes, the numbers' low 8 bits · 8 shorts: four times their high 3 bits, a scale of 3 bits, and whether
/// the shift of these 32 weights is down.
fn iq1_s(b: &[u8], to: &mut Points) {
    for i in 0..32 {
        let high = short(b, 34 + i / 4 * 2);
        to.scales[i / 2] = (high >> 12 & 7) as u8;
        let point = grid(&IQ1, u16::from(b[2 + i]) | (high >> (3 * (i % 4)) & 7) << 8);
        to.shifted(i, point, high >> 15 == 1);
    }
}

/// 32 bytes, the numbers' low 8 bits · 32 nibbles: their high 3 bits, and whether the shift is down · 4 shorts of four
/// scales of 3 bits, of 16 weights each.
fn iq1_m(b: &[u8], to: &mut Points) {
    to.scales = std::array::from_fn(|i| (short(b, 48 + i / 4 * 2) >> (3 * (i % 4)) & 7) as u8);
    for i in 0..32 {
        let high = u16::from(b[32 + i / 2] >> (4 * (i % 2)) & 15);
        to.shifted(i, grid(&IQ1, u16::from(b[i]) | (high & 7) << 8), high >> 3 == 1);
    }
}

impl Points {
    /// Eight weights of magnitudes and signs.
    fn eight(&mut self, i: usize, point: u16, signs: u8) {
        for (e, code) in self.codes[8 * i..][..8].iter_mut().enumerate() {
            *code = (point >> (2 * e) & 3) as u8 | (signs >> e & 1) << 2;
        }
    }

    /// Four weights of magnitudes and signs: a negative one's code counts down from the middle.
    fn four(&mut self, i: usize, point: u16, signs: u8) {
        for (e, code) in self.codes[4 * i..][..4].iter_mut().enumerate() {
            let magnitude = (point >> (3 * e) & 7) as u8;
            *code = if signs >> e & 1 == 1 { 7 - magnitude } else { 8 + magnitude };
        }
    }

    /// Eight of -1, 0 and 1, shifted up or down.
    fn shifted(&mut self, i: usize, point: u16, down: bool) {
        let codes = if down { [6, 4, 1, 0] } else { [5, 0, 2, 0] };
        for (e, code) in self.codes[8 * i..][..8].iter_mut().enumerate() {
            *code = codes[usize::from(point >> (2 * e) & 3)];
        }
    }
}

/// The points of a grid, a digit in 2 bits or in 3.
struct Grid {
    /// Its first byte in the file.
    at: usize,
    /// Points that there could be: 3 to the eighth, or 8 to the fourth.
    of: usize,
    points: OnceLock<Vec<u16>>,
}

const fn nth(at: usize, of: usize) -> Grid {
    Grid { at, of, points: OnceLock::new() }
}

static BITS: &[u8] = include_bytes!("grids.bin");
static IQ2_XXS: Grid = nth(0, 6561);
static IQ2_XS: Grid = nth(821, 6561);
static IQ2_S: Grid = nth(1642, 6561);
static IQ1: Grid = nth(2463, 6561);
static IQ3_XXS: Grid = nth(3284, 4096);
static IQ3_S: Grid = nth(3796, 4096);

/// A point by its number, which the types' bits hold to their grids' sizes.
fn grid(grid: &Grid, number: u16) -> u16 {
    grid.points.get_or_init(|| {
        let there = (0..grid.of).filter(|n| BITS[grid.at + n / 8] >> (n % 8) & 1 == 1);
        // Eight digits of three in two bits each; those of eight lie in three bits as they are.
        let digits = |n: usize| (0..8).fold((0, n), |(point, n), e| (point | (n % 3) << (2 * e), n / 3)).0;
        there.map(|n| if grid.of == 6561 { digits(n) as u16 } else { n as u16 }).collect()
    })[usize::from(number)]
}

/// Seven signs, and an eighth that makes those below zero an even number.
fn even(signs: u32) -> u8 {
    let signs = (signs & 127) as u8;
    signs | (signs.count_ones() as u8 & 1) << 7
}

/// The 16 of eight bytes, the low one of each first.
fn nibbles(b: &[u8]) -> [u8; 16] {
    std::array::from_fn(|i| b[i / 2] >> (4 * (i % 2)) & 15)
}

fn short(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn word(b: &[u8], at: usize) -> u32 {
    u32::from(short(b, at)) | u32::from(short(b, at + 2)) << 16
}
