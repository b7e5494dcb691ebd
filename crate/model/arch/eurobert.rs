//! EuroBERT: Llama's blocks, in which every token sees every other.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["eurobert"];
pub const MODELS: &str = "EuroBERT, Jina Embeddings 5 nano";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 250_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    Ok(keys.sees_all(net))
}
