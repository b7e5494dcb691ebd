//! Qwen3 with experts: Qwen3's attention, and in each layer a mixture.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["qwen3moe"];
pub const MODELS: &str = "Qwen3 30B-A3B and other mixtures";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Heads, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.experts(layer)?))
    })
}
