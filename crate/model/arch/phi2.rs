//! Phi-1.5 and Phi-2: both parts of a block side by side, of one norm.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["phi2"];
pub const MODELS: &str = "Phi-1, Phi-1.5, Phi-2";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = keys.biased_dense(layer, Activation::GeluTanh)?;
        Ok(Block::parallel(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })?;
    Ok(Net { output_bias: true, ..net })
}
