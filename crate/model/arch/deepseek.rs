//! DeepSeek of 16B, the first with experts: Llama, then experts beside those that all tokens go through.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Net, Pairs, Scored};

pub const NAMES: &[&str] = &["deepseek"];
pub const MODELS: &str = "DeepSeekMoE 16B";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Softmax))?;
        Ok(Block::sequential(attention, feed))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
