//! Command R, R+ and R7B, Aya: both parts of a block side by side, of a layer norm without bias. In R+ each head has one of
//! its own. In R7B three of four layers look back over a window, and the others have no rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Mask, Net, Norm, Pairs, Rope};

pub const NAMES: &[&str] = &["command-r", "cohere2"];
pub const MODELS: &str = "Command R, R+, R7B and A, Aya";

const PERIOD: u32 = 4;

pub fn net(keys: &Keys) -> Result<Net> {
    let window = match keys.arch {
        "cohere2" => Some(keys.size("attention.sliding_window", u32::MAX)?),
        _ => None,
    };
    let is_local = keys.sliding_pattern(PERIOD)?;
    let net = keys.net_with(Norm::Layer { weight: true, bias: false }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        let mut attention = Attention { qk_norm: keys.norm_of_each_head(), ..attention };
        match (window, is_local[layer as usize]) {
            (None, _) => {}
            (Some(window), true) => attention.mask = Mask::Window(window),
            (Some(_), false) => attention.rope = Rope { dim: 0, ..attention.rope },
        }
        Ok(Block::parallel(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    Ok(Net { logit_scale: keys.positive("logit_scale")?.unwrap_or(1.0), ..net })
}
