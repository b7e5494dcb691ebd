//! StarCoder 2 and CodeShell: layer norms, biases everywhere, no gate.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["starcoder2", "codeshell"];
pub const MODELS: &str = "StarCoder 2, CodeShell";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = keys.biased_dense(layer, Activation::GeluTanh)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })
}
