//! The choice of the next token. The shaders are in `shaders/sample`.

mod bins;
mod gather;
mod reference;
mod scan;

use super::table::{sample_bins, sample_gather};

/// Distances from the best logit that are told apart.
pub const BINS: usize = sample_bins::BINS as usize;
/// Words before the ids in the buffer of listed tokens.
pub const LIST_WORDS: usize = sample_bins::LIST_WORDS as usize;
/// Words before the drawn tokens in their buffer.
pub const CUT_WORDS: usize = sample_gather::CUT_WORDS as usize;
