//! BERT and its kin, encoders: every token sees every other, and each part of a block has a norm behind it.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm};

pub const NAMES: &[&str] = &["bert"];
pub const MODELS: &str = "BERT, MiniLM, BGE, E5, GTE, MxBai, XLM-RoBERTa (embeddings and rerankers)";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.unrotated_attention(layer)?;
        let dense = Dense { gate: GateIn::Nowhere, ..keys.biased_dense(layer, Activation::GeluErf)? };
        Ok(Block::normed(attention, dense, NORMS))
    })?;
    Ok(keys.encoder(Net { learned_positions: Some(net.context_length), ..net }))
}

/// Behind attention, and behind the feed-forward network.
pub const NORMS: [Option<&str>; 2] = [Some("attn_output_norm"), Some("layer_output_norm")];
