//! What moves information between tokens by a state of the sequence, instead of by its keys and values.

use super::Mix;

/// A short convolution between two gates (LFM2, Liquid AI 2025): W_out (c · conv(b · x)), of b, c and x = W_in of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Positions that a result is made of, its own included; at least 2.
    pub taps: u32,
}

impl From<Conv> for Mix {
    fn from(conv: Conv) -> Self {
        Mix::Conv(conv)
    }
}
