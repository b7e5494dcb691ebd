//! ChatGLM 3 and GLM-4 of 2024: Q, K and V in one tensor, gate and up in one.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Pairs};

pub const NAMES: &[&str] = &["chatglm"];
pub const MODELS: &str = "ChatGLM 3, GLM-4-9B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Up, ..dense }))
    })
}
