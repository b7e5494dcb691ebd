//! OLMo 1: layer norms without weights, and queries, keys and values that may be clamped.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["olmo"];
pub const MODELS: &str = "OLMo 1";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net_with(Norm::Layer { weight: false, bias: false }, |layer| {
        let attention = keys.attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
