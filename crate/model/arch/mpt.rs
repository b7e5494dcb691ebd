//! MPT: ALiBi or learned positions, layer norms whose biases are mostly left out, and queries, keys and values that may be clamped.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Net, Norm};

pub const NAMES: &[&str] = &["mpt"];
pub const MODELS: &str = "MPT";

pub fn net(keys: &Keys) -> Result<Net> {
    let norm = Norm::Layer { weight: true, bias: keys.has_in_any_layer(&["attn_norm.bias"]) };
    let alibi = keys.positive("attention.max_alibi_bias")?;
    let net = keys.net_with(norm, |layer| {
        let attention = keys.unrotated_attention(layer)?;
        let dense = Dense { gate: GateIn::Nowhere, ..keys.biased_dense(layer, Activation::GeluTanh)? };
        Ok(Block::sequential(Attention { alibi, ..attention }, dense))
    })?;
    Ok(Net { learned_positions: alibi.is_none().then_some(net.context_length), ..net })
}
