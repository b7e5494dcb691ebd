//! Seed-OSS: Llama, but for a name.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["seed_oss"];
pub const MODELS: &str = "Seed-OSS";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let norms = [Some("attn_norm"), Some("post_attention_norm")];
        Ok(Block { norms, ..Block::sequential(attention, keys.dense(layer, Activation::Silu)?) })
    })
}
