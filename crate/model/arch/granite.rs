//! Granite 3 and 4, dense or with experts: Llama with four factors.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Net, Pairs, Rope};

pub const NAMES: &[&str] = &["granite", "granitemoe"];
pub const MODELS: &str = "Granite 3 and 4 (dense, and mixtures)";

pub fn net(keys: &Keys) -> Result<Net> {
    // Hybrids' sisters have no rotation.
    let rotates = keys.bool("rope.scaling.finetuned")?.unwrap_or(true);
    let net = keys.net(|layer| {
        let mut attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        if !rotates {
            attention.rope = Rope { dim: 0, ..attention.rope };
        }
        Ok(Block::sequential(attention, keys.feed(layer)?))
    })?;
    let net = Net {
        rope_factors: keys.rope_factors(&net.blocks)?,
        embed_scale: keys.positive("embedding_scale")?.unwrap_or(1.0),
        logit_scale: keys.need_positive("logit_scale")?.recip(),
        ..net
    };
    Ok(net.with_residual_scale(keys.positive("residual_scale")?.unwrap_or(1.0)))
}
