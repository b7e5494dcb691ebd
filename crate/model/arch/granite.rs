//! Granite 3 and 4, dense or with experts: Llama with four factors. Hybrids have state spaces in layers without key heads.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Mix, Net, Pairs, Rope};

pub const NAMES: &[&str] = &["granite", "granitemoe", "granitehybrid"];
pub const MODELS: &str = "Granite 3 and 4 (dense, mixtures, hybrids)";

pub fn net(keys: &Keys) -> Result<Net> {
    // Hybrids, and their sisters, have no rotation.
    let rotates = keys.bool("rope.scaling.finetuned")?.unwrap_or(true);
    let is_hybrid = keys.arch == "granitehybrid";
    let net = keys.net(|layer| {
        let mix: Mix = if is_hybrid && keys.number_of("attention.head_count_kv", layer)? == Some(0) {
            keys.mamba2()?.into()
        } else {
            let mut attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
            if !rotates {
                attention.rope = Rope { dim: 0, ..attention.rope };
            }
            attention.into()
        };
        Ok(Block::sequential(mix, keys.feed(layer)?))
    })?;
    let net = Net {
        rope_factors: keys.rope_factors(&net.blocks)?,
        embed_scale: keys.positive("embedding_scale")?.unwrap_or(1.0),
        logit_scale: keys.need_positive("logit_scale")?.recip(),
        ..net
    };
    Ok(net.with_residual_scale(keys.positive("residual_scale")?.unwrap_or(1.0)))
}
