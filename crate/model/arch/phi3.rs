//! Phi-3, 3.5 and Phi-4: Q, K and V in one tensor, gate and up in one. The window that some files name is none of theirs.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Net, Pairs};

pub const NAMES: &[&str] = &["phi3"];
pub const MODELS: &str = "Phi-3, Phi-3.5, Phi-4";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(Block::sequential(attention, Dense { gate: GateIn::Up, ..dense }))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
