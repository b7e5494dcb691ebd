//! Tensors whose rows belong to two matrices, piece by piece in turns.

use super::{MatrixId, Stacked, Tensors};
use crate::base::error::Result;
use crate::model::filled::Filled;

impl Tensors<'_> {
    /// Of a tensor of twice `n` rows, in pieces of `piece` rows, the matrix of each first one, with `behind` stacked behind it,
    /// and that of each second one.
    pub fn in_turns(
        &mut self,
        row: Filled,
        (name, n): (&str, u32),
        piece: u32,
        behind: &[(&str, u32)],
    ) -> Result<[MatrixId; 2]> {
        let both = self.whole(name, row, 2 * n, Filled::whole(piece))?;
        let half = |which: u32| Stacked { n, turn: [which, 2], ..both };
        let mut first = vec![half(0)];
        for &(name, n) in behind {
            first.push(self.whole(name, row, n, Filled::whole(n))?);
        }
        Ok([self.known(row, &first)?, self.known(row, &[half(1)])?])
    }

    /// The matrix of a tensor of two such pieces, the second before the first.
    pub fn halves_turned(&mut self, row: Filled, name: &str, piece: Filled) -> Result<MatrixId> {
        let both = self.whole(name, row, 2 * piece.length, piece)?;
        let half = |which: u32| Stacked { n: piece.length, turn: [which, 2], ..both };
        self.known(row, &[half(1), half(0)])
    }
}
