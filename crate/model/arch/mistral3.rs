//! Ministral 3: Llama, whose queries grow with the position past the context of its first training.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs};

pub const NAMES: &[&str] = &["mistral3"];
pub const MODELS: &str = "Ministral 3";

pub fn net(keys: &Keys) -> Result<Net> {
    let temperature = keys.positive("attention.temperature_scale")?;
    let stretch = temperature.map(|scale| Ok((scale, keys.trained_context()?))).transpose()?;
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        let dense = keys.biased_dense(layer, Activation::Silu)?;
        Ok(Block::sequential(Attention { stretch, ..attention }, dense))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
