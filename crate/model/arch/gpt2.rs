//! GPT-2, and StarCoder 1, whose heads share one key: learned positions instead of rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm, Pairs, Rope};

pub const NAMES: &[&str] = &["gpt2", "starcoder"];
pub const MODELS: &str = "GPT-2, StarCoder 1";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let mut attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        attention.rope = Rope { dim: 0, ..attention.rope };
        let dense = keys.biased_dense(layer, Activation::GeluTanh)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })?;
    Ok(Net { learned_positions: Some(net.context_length), ..net })
}
