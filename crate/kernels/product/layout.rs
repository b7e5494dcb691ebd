//! Sizes of the arrangement in which the CPU reads weights (see `quads`).

use crate::quant::{self, TensorType};

/// Rows that are interleaved.
pub const ROWS: usize = 4;
/// Blocks (of 32 columns) that share a K-quant's scales.
pub const SPAN: usize = 8;

/// Words of a plane that belong to four rows of `blocks` blocks.
pub fn plane_words(kind: TensorType, plane: usize, blocks: usize) -> usize {
    quant::planes(kind)[plane].bytes_per_unit * blocks / SPAN
}
