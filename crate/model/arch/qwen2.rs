//! Qwen2 and Qwen2.5, and the text side of their vision models: among text alone, rotation by three axes is rotation by one.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs};

pub const NAMES: &[&str] = &["qwen2", "qwen2vl"];
pub const MODELS: &str = "Qwen2, Qwen2.5, and the text side of their VL models";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { bias: true, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
