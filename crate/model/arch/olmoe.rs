//! OLMoE: norms of all queries and all keys, and a mixture of experts whose weights stay as the softmax gave them.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Experts, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["olmoe"];
pub const MODELS: &str = "OLMoE";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Whole, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, Experts { normed: false, ..keys.experts(layer)? }))
    })
}
