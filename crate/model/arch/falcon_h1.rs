//! Falcon-H1: attention and a state space side by side in each layer. Its multipliers are in the file's weights.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["falcon-h1"];
pub const MODELS: &str = "Falcon-H1";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential((attention, keys.mamba2()?), keys.biased_dense(layer, Activation::Silu)?))
    })
}
