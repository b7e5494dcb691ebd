//! Mamba-2: state spaces alone.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Feed, Net};

pub const NAMES: &[&str] = &["mamba2"];
pub const MODELS: &str = "Mamba-2, Mamba Codestral";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|_| Ok(Block::one(keys.mamba2()?, Feed::None)))
}
