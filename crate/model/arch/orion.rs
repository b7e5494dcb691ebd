//! Orion: Llama with layer norms.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["orion"];
pub const MODELS: &str = "Orion 14B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
