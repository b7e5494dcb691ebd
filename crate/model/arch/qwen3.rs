//! Qwen3, the dense ones, and the text side of its vision models: norms of each query and key head before they are rotated,
//! and no
//! biases. So is OpenELM, whose layers have sizes of their own.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["qwen3", "qwen3vl", "openelm"];
pub const MODELS: &str = "Qwen3 (dense), the text side of Qwen3-VL, OpenELM";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Heads, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
