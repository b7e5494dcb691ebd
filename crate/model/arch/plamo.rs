//! PLaMo: both parts of a block read the same norm.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["plamo"];
pub const MODELS: &str = "PLaMo 13B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::parallel(attention, keys.dense(layer, Activation::Silu)?))
    })
}
