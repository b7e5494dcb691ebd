//! Qwen1.5 and Qwen2 with experts: biases of queries, keys and values, and one expert more that a gate of its own weighs.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Experts, Net, Pairs};

pub const NAMES: &[&str] = &["qwen2moe"];
pub const MODELS: &str = "Qwen1.5 MoE A2.7B, Qwen2 57B-A14B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { bias: true, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, Experts { normed: false, ..keys.experts(layer)? }))
    })
}
