//! SmolLM3: every fourth layer has no rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs, Rope};

pub const NAMES: &[&str] = &["smollm3"];
pub const MODELS: &str = "SmolLM3";

const PERIOD: u32 = 4;

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let mut attention = keys.attention(layer, Pairs::Adjacent, 10_000.0)?;
        if layer % PERIOD == PERIOD - 1 {
            attention.rope = Rope { dim: 0, ..attention.rope };
        }
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
