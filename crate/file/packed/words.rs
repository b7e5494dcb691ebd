//! Codes of a few bits in words of 32: which of them is where.

/// How codes of a matrix are laid into words. Of a word the lowest bits come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lay {
    /// A word has neighbours of a column, not of a row.
    pub down: bool,
    /// The words of a column lie side by side, not those of a row.
    pub by_columns: bool,
    /// At which place of its word the first, the second, … of eight neighbours is; without it in order.
    pub order: Option<[u8; 8]>,
}

/// A matrix of codes.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub lay: Lay,
    /// Of a code: 1, 2, 4 or 8.
    pub bits: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Words {
    /// Rows and columns of words.
    pub fn size(&self) -> (usize, usize) {
        let each = 32 / self.bits;
        match self.lay.down {
            true => (self.rows.div_ceil(each), self.columns),
            false => (self.rows, self.columns.div_ceil(each)),
        }
    }

    /// As the tensor's shape has them.
    pub fn shape(&self) -> [u64; 2] {
        let (height, width) = self.size();
        let shape = if self.lay.by_columns { [width, height] } else { [height, width] };
        shape.map(|size| size as u64)
    }

    /// A code; `more` is added to its word first.
    pub fn at(&self, bytes: &[u8], row: usize, column: usize, more: u32) -> u32 {
        let each = 32 / self.bits;
        let (height, width) = self.size();
        let (row, column, place) = match self.lay.down {
            true => (row / each, column, row % each),
            false => (row, column / each, column % each),
        };
        let word = if self.lay.by_columns { column * height + row } else { row * width + column };
        let word = bytes.get(4 * word..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
        let place = self.lay.order.map_or(place, |order| usize::from(order[place % 8]));
        (u32::from_le_bytes(word).wrapping_add(more) >> (place * self.bits)) & ((1 << self.bits) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_every_lay() {
        let bytes: Vec<u8> = [0x7654_3210u32, 0xfedc_ba98].iter().flat_map(|word| word.to_le_bytes()).collect();
        let lay = |down, by_columns| Lay { down, by_columns, order: None };
        let words = |lay, rows, columns| Words { lay, bits: 4, rows, columns };
        // A row of 16, and two rows of 8.
        assert_eq!(words(lay(false, false), 1, 16).at(&bytes, 0, 11, 0), 11);
        assert_eq!(words(lay(false, false), 2, 8).at(&bytes, 1, 3, 0), 11);
        // Two rows of eight, column by column.
        assert_eq!(words(lay(false, true), 2, 8).at(&bytes, 1, 3, 0), 11);
        // Eight rows of two, and sixteen of one.
        assert_eq!(words(lay(true, false), 8, 2).at(&bytes, 3, 1, 0), 11);
        assert_eq!(words(lay(true, true), 16, 1).at(&bytes, 11, 0, 0), 11);
        let turned = Lay { order: Some([0, 4, 1, 5, 2, 6, 3, 7]), ..lay(true, true) };
        assert_eq!(words(turned, 8, 2).at(&bytes, 1, 1, 0), 12);
        assert_eq!(words(lay(true, true), 16, 1).at(&bytes, 7, 0, 0x1111_1111), 8);
        assert_eq!(words(lay(false, true), 3, 64).shape(), [8, 3]);
        assert_eq!(words(lay(true, false), 9, 5).shape(), [2, 5]);
        assert_eq!(words(lay(true, false), 9, 5).at(&bytes, 8, 4, 0), 0);
    }
}
