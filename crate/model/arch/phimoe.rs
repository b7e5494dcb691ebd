//! Phi-3.5 MoE: Llama with biases everywhere but in the experts. Its norms are what llama.cpp makes of them, RMS norms
//! with biases.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Experts, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["phimoe"];
pub const MODELS: &str = "Phi-3.5 MoE";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::BiasedRms, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential(attention, Experts { normed: true, ..keys.experts(layer)? }))
    })?;
    Ok(Net { output_bias: true, rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
