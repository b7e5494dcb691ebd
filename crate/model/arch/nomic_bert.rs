//! Nomic's BERT: rotated queries and keys, and a gate in the feed-forward network.

use super::bert::NORMS;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["nomic-bert"];
pub const MODELS: &str = "Nomic Embed 1 and 1.5";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 1_000.0)?;
        Ok(Block::normed(attention, keys.biased_dense(layer, Activation::Silu)?, NORMS))
    })?;
    Ok(keys.encoder(net))
}
