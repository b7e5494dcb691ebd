//! BLOOM: ALiBi, and a norm of the embeddings.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Net, Norm};

pub const NAMES: &[&str] = &["bloom"];
pub const MODELS: &str = "BLOOM, BLOOMZ";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = Attention { alibi: ALIBI, ..keys.unrotated_attention(layer)? };
        let dense = Dense { gate: GateIn::Nowhere, ..keys.biased_dense(layer, Activation::GeluTanh)? };
        Ok(Block::sequential(attention, dense))
    })?;
    Ok(Net { embed_norm: true, ..net })
}

/// What models have whose files do not say so.
pub const ALIBI: Option<f32> = Some(8.0);
