//! Llama 1 to 3, Mistral, Mixtral, SmolLM2 and many more.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Net, Pairs};

pub const NAMES: &[&str] = &["llama"];
pub const MODELS: &str = "Llama 1 to 3, SmolLM2, Mistral, Mixtral and what else is converted under this name";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.feed(layer)?))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
