//! MiniCPM 1, 2 and 4: Llama with three factors, which old files do not have.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["minicpm"];
pub const MODELS: &str = "MiniCPM 1, 2, 4";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.biased_dense(layer, Activation::Silu)?))
    })?;
    let net = Net {
        rope_factors: keys.rope_factors(&net.blocks)?,
        embed_scale: keys.positive("embedding_scale")?.unwrap_or(12.0),
        logit_scale: keys.positive("logit_scale")?.unwrap_or(256.0 / keys.n_embd as f32).recip(),
        ..net
    };
    let residual = keys.positive("residual_scale")?.unwrap_or(1.4 / (keys.n_layers as f32).sqrt());
    Ok(net.with_residual_scale(residual))
}
