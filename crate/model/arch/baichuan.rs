//! Baichuan 1 and 2. The file does not say that the 13B has no rotation but ALiBi.

use super::bloom::ALIBI;
use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs};

pub const NAMES: &[&str] = &["baichuan"];
pub const MODELS: &str = "Baichuan 1 and 2";

/// Of the 7B and of the 13B.
const ROTATED_LAYERS: u32 = 32;
const ALIBI_LAYERS: u32 = 40;

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = match keys.n_layers {
            ROTATED_LAYERS => keys.attention(layer, Pairs::Adjacent, 10_000.0)?,
            ALIBI_LAYERS => Attention { alibi: ALIBI, ..keys.unrotated_attention(layer)? },
            other => bail!(
                UnsupportedArchitecture,
                "a baichuan model of {other} layers does not say how it knows positions; those of {ROTATED_LAYERS} and {ALIBI_LAYERS} are supported"
            ),
        };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
