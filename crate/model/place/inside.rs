//! Which tensors lie in which matrices: for what is added to a matrix by its tensors' names.

use super::{Matrix, MatrixId, Weights};
use crate::base::buffer::BufferId;
use crate::model::filled::Filled;

/// Where a tensor lies in a matrix, whose rows are as long as `row` has room.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    /// The matrix.
    pub matrix: MatrixId,
    /// Its row that is the tensor's first.
    pub first_row: u32,
    /// The tensor's rows, as the file has them.
    pub n: u32,
    /// The pieces that they are filled up in.
    pub piece: Filled,
    /// A row of the matrix.
    pub row: Filled,
}

impl Weights {
    /// Where a tensor lies, by its name; `None` where it is no matrix, or one of experts.
    pub fn inside(&self, name: &str) -> Option<Inside> {
        self.inside.get(name).copied()
    }

    /// The tensors of all matrices, those of experts left out, by their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Inside)> {
        self.inside.iter().map(|(name, inside)| (name.as_str(), *inside))
    }

    /// The matrix whose first rows a buffer holds, and how long they are there.
    pub fn begins_in(&self, buffer: BufferId) -> Option<(MatrixId, u32)> {
        let begins = |matrix: &Matrix| matrix.parts.first().is_some_and(|part| part.buffer == buffer);
        let id = self.matrices.iter().position(begins)?;
        Some((MatrixId(id), self.matrices[id].k))
    }

    /// The tensors of a matrix, for messages.
    pub fn names(&self, matrix: MatrixId) -> String {
        let of_it = self.inside.iter().filter(|(_, inside)| inside.matrix == matrix);
        let mut names: Vec<&str> = of_it.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.join(", ")
    }
}
