//! Qwen3 with experts, and the text side of its vision models: Qwen3's attention, and in each layer a mixture.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["qwen3moe", "qwen3vlmoe"];
pub const MODELS: &str = "Qwen3 30B-A3B and other mixtures, and the text side of Qwen3-VL's";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Heads, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.experts(layer)?))
    })
}
