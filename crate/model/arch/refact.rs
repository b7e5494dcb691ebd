//! Refact: Llama with ALiBi instead of a rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net};

pub const NAMES: &[&str] = &["refact"];
pub const MODELS: &str = "Refact";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { alibi: Some(8.0), ..keys.unrotated_attention(layer)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
