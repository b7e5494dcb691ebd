//! Baichuan 1 and 2. The file does not say that models of another depth than the 7B have no rotation but ALiBi.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::bail;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["baichuan"];
pub const MODELS: &str = "Baichuan 7B";

const ROTATED_LAYERS: u32 = 32;

pub fn net(keys: &Keys) -> Result<Net> {
    if keys.n_layers != ROTATED_LAYERS {
        bail!(
            UnsupportedArchitecture,
            "a baichuan model of {} layers has ALiBi, which is not supported; the one of {ROTATED_LAYERS} layers is",
            keys.n_layers
        );
    }
    keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
