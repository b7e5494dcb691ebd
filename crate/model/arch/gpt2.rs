//! GPT-2, and StarCoder 1, whose heads share one key: learned positions instead of rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm};

pub const NAMES: &[&str] = &["gpt2", "starcoder"];
pub const MODELS: &str = "GPT-2, StarCoder 1";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.unrotated_attention(layer)?;
        let dense = keys.biased_dense(layer, Activation::GeluTanh)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })?;
    Ok(Net { learned_positions: Some(net.context_length), ..net })
}
