//! Nemotron 3 and 4, Minitron, Jais 2: layer norms, and a feed-forward network of squared ReLU, without a gate.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["nemotron", "jais2"];
pub const MODELS: &str = "Nemotron 3 and 4, Minitron, Jais 2";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = keys.biased_dense(layer, Activation::ReluSquared)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })
}
