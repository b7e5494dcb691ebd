//! Maincoder: Llama with norms of heads after they are rotated.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["maincoder"];
pub const MODELS: &str = "Maincoder 1B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Rotated, ..keys.attention(layer, Pairs::Adjacent, 10_000.0)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
