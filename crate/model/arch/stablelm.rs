//! StableLM 1 and 2, Stable Code: layer norms, rotation of a part of each head. Some have both parts side by side,
//! and those a norm of each head.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["stablelm"];
pub const MODELS: &str = "StableLM 1 and 2, Stable Code";

pub fn net(keys: &Keys) -> Result<Net> {
    let is_parallel = !keys.has_in_any_layer(&["ffn_norm.weight"]);
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let attention = Attention { qk_norm: keys.norm_of_each_head(), ..attention };
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(if is_parallel { Block::parallel(attention, dense) } else { Block::sequential(attention, dense) })
    })
}
