//! Qwen3, the dense ones: norms of each query and key head before they are rotated, and no biases.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs};

pub const NAMES: &[&str] = &["qwen3"];
pub const MODELS: &str = "Qwen3 (dense)";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: true, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
