//! AFM of Arcee: Llama with a feed-forward network of squared ReLU, without a gate.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Pairs};

pub const NAMES: &[&str] = &["arcee"];
pub const MODELS: &str = "AFM 4.5B";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Adjacent, 10_000.0)?;
        let dense = keys.dense(layer, Activation::ReluSquared)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
