//! ERNIE 4.5 with experts: as its dense models, with dense layers first; experts are chosen by scores to which a bias is added.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Block, Net, Pairs};

pub const NAMES: &[&str] = &["ernie4_5-moe"];
pub const MODELS: &str = "ERNIE 4.5 21B-A3B and other mixtures";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.leading_dense(layer, || keys.experts(layer))?))
    })
}
