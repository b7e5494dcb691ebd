//! Tensors on their way into a matrix.

use super::{Inside, MatrixId, Tensors};
use crate::base::error::Result;
use crate::file::Tensor;
use crate::model::filled::Filled;
use crate::quant::{self, TensorType};

/// A tensor on its way into a matrix.
pub struct Stacked<'a> {
    pub tensor: &'a Tensor,
    /// Its own, if it has one.
    pub scale: Option<usize>,
    /// Its rows, and the pieces that they are in.
    pub n: u32,
    pub piece: Filled,
    /// [which, of]: of so many pieces after each other the matrix has this one.
    pub turn: [u32; 2],
}

/// The turn of a tensor whose pieces are all taken.
pub const WHOLE: [u32; 2] = [0, 1];

impl Stacked<'_> {
    /// Its rows, filled up.
    pub fn room(&self) -> u64 {
        self.piece.place(u64::from(self.n))
    }
}

/// The type that holds all of these, where there is one.
pub fn common(tensors: &[Stacked]) -> Option<TensorType> {
    let first = Some(tensors[0].tensor.kind);
    tensors.iter().fold(first, |kind, t| kind.and_then(|kind| quant::common(kind, t.tensor.kind)))
}

impl<'a> Tensors<'a> {
    /// A tensor of `n` rows, of which all are taken.
    pub(super) fn whole(&mut self, name: &str, row: Filled, n: u32, piece: Filled) -> Result<Stacked<'a>> {
        let tensor = self.claim(name, &[u64::from(row.length), u64::from(n)])?;
        Ok(Stacked { tensor, scale: self.own_scale(name)?, n, piece, turn: WHOLE })
    }

    /// The matrix of these tensors, in which those that are whole are found by their names.
    pub(super) fn known(&mut self, row: Filled, tensors: &[Stacked]) -> Result<MatrixId> {
        let matrix = self.pile(row, tensors, None)?;
        let mut first_row = 0;
        for stacked in tensors {
            let Stacked { tensor, n, piece, turn, .. } = *stacked;
            if turn == WHOLE {
                self.weights.inside.insert(tensor.name.clone(), Inside { matrix, first_row, n, piece, row });
            }
            first_row += stacked.room() as u32;
        }
        Ok(matrix)
    }
}
