//! Hunyuan A13B: norms of heads once they are rotated, and experts beside a network that all tokens go through.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["hunyuan-moe"];
pub const MODELS: &str = "Hunyuan A13B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Rotated, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.experts(layer)?))
    })
}
