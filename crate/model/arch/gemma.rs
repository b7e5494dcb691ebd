//! Gemma 1: embeddings are scaled up, and the gate is GELU.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["gemma"];
pub const MODELS: &str = "Gemma 1";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::GeluTanh)?))
    })?;
    Ok(Net { embed_scale: (keys.n_embd as f32).sqrt(), ..net })
}
