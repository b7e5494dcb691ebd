//! A matrix whose numbers are quantised already, as its repository has it: codes in one tensor, what they are multiplied by in
//! others, which are there before. Its rows come out as floats, or as blocks of the same codes.

mod blocks;
mod words;

pub use words::{Lay, Words};

use crate::quant::{TensorType, dequantize};

/// What the tensor of the codes holds.
#[derive(Clone, Copy, Debug)]
pub enum Codes {
    /// Whole numbers of a few bits.
    Words(Words),
    /// Whole numbers from -128 on, a byte each.
    Bytes,
    /// Floats of 8 bits: a sign, 4 of an exponent, 3 of a mantissa.
    Floats,
}

/// A tensor that is wanted whole before the codes.
#[derive(Debug)]
pub struct Side {
    /// Its first byte, counted from that of the first file.
    pub offset: u64,
    pub bytes: u64,
    /// As far as it has come.
    pub data: Vec<u8>,
}

impl Side {
    pub fn is_whole(&self) -> bool {
        self.data.len() as u64 == self.bytes
    }

    /// Takes what is its own of bytes that come in order, the first of them at `at`.
    pub fn take(&mut self, at: u64, bytes: &[u8]) {
        let next = self.offset + self.data.len() as u64;
        let end = (self.offset + self.bytes).min(at + bytes.len() as u64);
        if (at..end).contains(&next) {
            self.data.extend_from_slice(&bytes[(next - at) as usize..(end - at) as usize]);
        }
    }
}

/// A float for each tile of the matrix.
#[derive(Debug)]
pub struct Plane {
    pub side: Side,
    pub kind: TensorType,
    pub by_columns: bool,
    /// Tiles that lie one above the other, and side by side.
    pub size: (usize, usize),
}

impl Plane {
    fn at(&self, row: usize, column: usize) -> f32 {
        let at = if self.by_columns { column * self.size.0 + row } else { row * self.size.1 + column };
        let bytes = self.kind.block_bytes();
        let mut number = [0.0];
        if let Some(found) = self.side.data.get(at * bytes..(at + 1) * bytes) {
            dequantize(self.kind, found, &mut number);
        }
        number[0]
    }
}

/// The code that means nothing.
#[derive(Debug)]
pub enum Zero {
    /// The same for all.
    Fixed(i32),
    /// One for each tile, in words of a tensor to which `more` is added.
    Each { side: Side, words: Words, more: u32 },
    /// The same, and each the middle of the codes.
    Middle { side: Side, words: Words, more: u32 },
}

/// The matrix.
#[derive(Debug)]
pub struct Packed {
    pub codes: Codes,
    pub rows: usize,
    pub columns: usize,
    /// Rows and columns that have a scale together.
    pub tile: (usize, usize),
    pub scales: Plane,
    pub zero: Zero,
    /// What is added.
    pub least: Option<Plane>,
    /// Of each column, which tile of its row it belongs to, where the file says it.
    pub order: Option<Side>,
    /// Whether that may be another than its neighbours'.
    pub is_mixed: bool,
}

impl Packed {
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        let zero = match &self.zero {
            Zero::Fixed(_) => None,
            Zero::Each { side, .. } | Zero::Middle { side, .. } => Some(side),
        };
        let least = self.least.as_ref().map(|plane| &plane.side);
        [Some(&self.scales.side), zero, least, self.order.as_ref()].into_iter().flatten()
    }

    pub fn sides_mut(&mut self) -> impl Iterator<Item = &mut Side> {
        let zero = match &mut self.zero {
            Zero::Fixed(_) => None,
            Zero::Each { side, .. } | Zero::Middle { side, .. } => Some(side),
        };
        let least = self.least.as_mut().map(|plane| &mut plane.side);
        [Some(&mut self.scales.side), zero, least, self.order.as_mut()].into_iter().flatten()
    }

    /// Bytes of a row of codes; of all where rows are not side by side in the file.
    pub fn unit(&self) -> (usize, usize) {
        match self.codes {
            Codes::Words(words) if words.lay.by_columns || words.lay.down => {
                let (height, width) = words.size();
                (self.rows, 4 * height * width)
            }
            Codes::Words(words) => (1, 4 * words.size().1),
            _ => (1, self.columns),
        }
    }

    /// Whether what has come beside the codes is what it has to be: tiles that there are, and zeros in the middle.
    pub fn is_sound(&self) -> bool {
        let tiles = self.scales.size.1;
        let is_one = |column: usize| {
            let (tile, plain) = (self.tile_of(column), column / self.tile.1);
            tile < tiles && (self.is_mixed || self.order.is_none() || tile == plain)
        };
        if !(0..self.columns).all(is_one) {
            return false;
        }
        let Zero::Middle { side, words, more } = &self.zero else { return true };
        let is_middle = |(row, tile)| words.at(&side.data, row, tile, *more) == 1 << (words.bits - 1);
        (0..self.rows).flat_map(|row| (0..tiles).map(move |tile| (row, tile))).all(is_middle)
    }

    /// The type whose blocks hold these codes; `None` where no type does.
    pub fn held(&self) -> Option<TensorType> {
        let is_mixed = self.is_mixed && self.order.is_some();
        if is_mixed || !self.tile.1.is_multiple_of(32) || !self.columns.is_multiple_of(32) {
            return None;
        }
        let bits = if let Codes::Words(words) = self.codes { words.bits } else { 0 };
        match (self.codes, &self.zero, &self.least) {
            (Codes::Words(_), Zero::Fixed(0), Some(_)) if bits <= 4 => Some(TensorType::Q4_1),
            (Codes::Words(_), Zero::Fixed(8) | Zero::Middle { .. }, None) if bits == 4 => Some(TensorType::Q4_0),
            (Codes::Words(_), Zero::Fixed(128) | Zero::Middle { .. }, None) if bits == 8 => Some(TensorType::Q8_0),
            (Codes::Words(_), Zero::Each { .. }, None) if bits <= 4 => Some(TensorType::Q5_0),
            (Codes::Bytes, Zero::Fixed(0), None) => Some(TensorType::Q8_0),
            _ => None,
        }
    }

    /// A row, appended as blocks of the same codes. `at`: which row of `bytes` it is; `row`: which of the matrix.
    pub fn blocks(&self, kind: TensorType, bytes: &[u8], at: usize, row: usize, out: &mut Vec<u8>) {
        for first in (0..self.columns).step_by(32) {
            let tile = (row / self.tile.0, first / self.tile.1);
            let zero = self.zero(row, tile.1);
            let numbers = std::array::from_fn(|i| self.code(bytes, at, first + i) - zero);
            let least = self.least.as_ref().map_or(0.0, |least| least.at(tile.0, tile.1));
            blocks::put(kind, &numbers, self.scales.at(tile.0, tile.1), least, out);
        }
    }

    /// The same as floats.
    pub fn floats(&self, bytes: &[u8], at: usize, row: usize, out: &mut Vec<f32>) {
        // Of the tile before: which, its zero, its scale, what is added.
        let mut known: Option<(usize, i32, f32, f32)> = None;
        for column in 0..self.columns {
            let tile = self.tile_of(column);
            let (_, zero, scale, least) = match known.filter(|known| known.0 == tile) {
                Some(same) => same,
                None => {
                    let least = self.least.as_ref().map_or(0.0, |least| least.at(row / self.tile.0, tile));
                    *known.insert((tile, self.zero(row, tile), self.scales.at(row / self.tile.0, tile), least))
                }
            };
            let code = match self.codes {
                Codes::Floats => float8(bytes[at * self.columns + column]),
                _ => (self.code(bytes, at, column) - zero) as f32,
            };
            out.push(code * scale + least);
        }
    }

    fn tile_of(&self, column: usize) -> usize {
        let Some(order) = &self.order else { return column / self.tile.1 };
        let number = order.data.get(4 * column..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
        u32::from_le_bytes(number) as usize
    }

    fn code(&self, bytes: &[u8], at: usize, column: usize) -> i32 {
        match self.codes {
            Codes::Words(words) => words.at(bytes, at, column, 0) as i32,
            _ => i32::from(bytes[at * self.columns + column] as i8),
        }
    }

    fn zero(&self, row: usize, tile: usize) -> i32 {
        match &self.zero {
            Zero::Fixed(zero) => *zero,
            Zero::Each { side, words, more } | Zero::Middle { side, words, more } => {
                words.at(&side.data, row, tile, *more) as i32
            }
        }
    }
}

/// Of the kind E4M3 that has no infinities.
fn float8(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if byte & 0x80 != 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_eight_bits_are_those_of_the_format() {
        let found = [0x00, 0x01, 0x08, 0x38, 0xb8, 0x3c, 0x7e].map(float8);
        assert_eq!(found, [0.0, 0.001953125, 0.015625, 1.0, -1.0, 1.5, 448.0]);
        assert!(float8(0x7f).is_nan());
    }
}
