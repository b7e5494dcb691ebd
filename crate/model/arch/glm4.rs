//! GLM-4 of 2025 and Z1: norms before and behind the parts of a block, gate and up in one tensor.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Pairs};

pub const NAMES: &[&str] = &["glm4"];
pub const MODELS: &str = "GLM-4-0414, GLM-Z1 (dense)";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        let dense = Dense { gate: GateIn::Up, ..keys.dense(layer, Activation::Silu)? };
        Ok(Block { post_norms: true, ..Block::sequential(attention, dense) })
    })
}
