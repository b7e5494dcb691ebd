//! MiniCPM 3: latent attention, and the factors of MiniCPM, which the file does not have.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["minicpm3"];
pub const MODELS: &str = "MiniCPM 3";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.latent_attention(layer, Pairs::Halves)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    let net = Net {
        rope_factors: keys.rope_factors(&net.blocks)?,
        embed_scale: 12.0,
        logit_scale: 256.0 / keys.n_embd as f32,
        ..net
    };
    Ok(net.with_residual_scale(1.4 / (keys.n_layers as f32).sqrt()))
}
