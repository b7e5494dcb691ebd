//! Falcon: both parts of a block side by side, of one norm, or of two in the large ones.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["falcon"];
pub const MODELS: &str = "Falcon 1 and 2";

pub fn net(keys: &Keys) -> Result<Net> {
    let has_two = keys.has_in_any_layer(&["attn_norm_2.weight"]);
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = Dense { gate: GateIn::Nowhere, ..keys.dense(layer, Activation::GeluTanh)? };
        let block = Block::parallel(attention, dense);
        Ok(match has_two {
            true => Block { norms: [Some("attn_norm_2"), Some("attn_norm")], ..block },
            false => block,
        })
    })
}
