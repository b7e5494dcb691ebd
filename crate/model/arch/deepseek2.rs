//! DeepSeek-V2, V3 and their kin: latent attention, dense layers first, then experts beside those that all tokens go
//! through. The layers that guess further tokens are not read.

use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Net, Scored};

pub const NAMES: &[&str] = &["deepseek2"];
pub const MODELS: &str = "DeepSeek-V2, V2-Lite, V3, R1 and others of their kind, GLM-4.7 Flash";

pub fn net(keys: &Keys) -> Result<Net> {
    if keys.positive("attention.temperature_scale")?.is_some() {
        bail!(
            UnsupportedArchitecture,
            "This {} model scales scores by the position, which is not supported with latent attention",
            keys.arch
        );
    }
    keys.net(|layer| {
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Softmax))?;
        Ok(Block::sequential(keys.deepseek_attention(layer)?, feed))
    })
}
