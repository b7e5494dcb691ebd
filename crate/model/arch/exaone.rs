//! EXAONE 3 and 3.5: as Llama 3, but for the pairs that are rotated together.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["exaone"];
pub const MODELS: &str = "EXAONE 3, 3.5";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
