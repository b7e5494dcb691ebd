//! Hunyuan (dense): norms of heads after they are rotated, which is why the rotation's base may be scaled as files of old
//! say.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs, QkNorm, Rope};

pub const NAMES: &[&str] = &["hunyuan-dense", "hunyuan_vl"];
pub const MODELS: &str = "Hunyuan 0.5B to 7B, and the text side of HunyuanOCR";

pub fn net(keys: &Keys) -> Result<Net> {
    let alpha = keys.positive("rope.scaling.alpha")?;
    let net = keys.net(|layer| {
        let mut attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        if let Some(alpha) = alpha {
            let dim = attention.head_dim as f32;
            let theta = attention.rope.theta * alpha.powf(dim / (dim - 2.0));
            attention.rope = Rope { theta, ..attention.rope };
        }
        let attention = Attention { qk_norm: QkNorm::Rotated, ..attention };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
