//! Mamba: state spaces alone, whose steps, b and c FalconMamba norms.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Feed, Net};

pub const NAMES: &[&str] = &["mamba"];
pub const MODELS: &str = "Mamba, FalconMamba";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|_| Ok(Block::one(keys.mamba()?, Feed::None)))
}
