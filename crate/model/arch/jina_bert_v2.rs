//! Jina's BERT: ALiBi to both sides, and a gate in the feed-forward network.

use super::bert::NORMS;
use super::bloom::ALIBI;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Net, Norm};

pub const NAMES: &[&str] = &["jina-bert-v2"];
pub const MODELS: &str = "Jina Embeddings 2 (of texts)";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.unrotated_attention(layer)?;
        let dense = keys.biased_dense(layer, Activation::GeluErf)?;
        let gate = if keys.has_in_any_layer(&["ffn_gate.weight"]) { GateIn::Own } else { GateIn::Up };
        Ok(Block::normed(Attention { alibi: ALIBI, ..attention }, Dense { gate, ..dense }, NORMS))
    })?;
    Ok(keys.encoder(net))
}
