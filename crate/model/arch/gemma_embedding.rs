//! EmbeddingGemma: Gemma 3 whose tokens see those behind them too, and two matrices that an embedding goes through.

use super::gemma3;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Mask, Net};

pub const NAMES: &[&str] = &["gemma-embedding"];
pub const MODELS: &str = "EmbeddingGemma";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = gemma3::with(keys, |window| Mask::Around(window / 2))?;
    Ok(keys.sees_all(net))
}
