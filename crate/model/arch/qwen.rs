//! Qwen 1: the file gives twice the inner width.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, Net, Pairs};

pub const NAMES: &[&str] = &["qwen"];
pub const MODELS: &str = "Qwen 1";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { bias: true, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(Block::sequential(attention, Dense { n_ff: dense.n_ff / 2, ..dense }))
    })
}
