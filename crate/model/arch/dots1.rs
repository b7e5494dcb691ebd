//! dots.llm1: Qwen3's attention, dense layers first, then experts beside those that all tokens go through.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm, Scored};

pub const NAMES: &[&str] = &["dots1"];
pub const MODELS: &str = "dots.llm1";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Heads, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Softmax))?;
        Ok(Block::sequential(attention, feed))
    })
}
