//! Jamba: state spaces, between them attention without a rotation, and experts in some layers.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Experts, Feed, Mix, Net};

pub const NAMES: &[&str] = &["jamba"];
pub const MODELS: &str = "Jamba, Jamba Reasoning 3B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let mix: Mix = match keys.number_of("attention.head_count_kv", layer)? {
            Some(0) => keys.mamba()?.into(),
            _ => keys.unrotated_attention(layer)?.into(),
        };
        // Files say how many experts there are, not where.
        let feed: Feed = match keys.has_tensor(&format!("blk.{layer}.ffn_gate_inp.weight")) {
            true => Experts { normed: false, ..keys.experts(layer)? }.into(),
            false => keys.dense(layer, Activation::Silu)?.into(),
        };
        Ok(Block::sequential(mix, feed))
    })
}
