//! GPT-NeoX, Pythia: both parts of a block side by side, each with a norm of its own.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Join, Net, Norm, Pairs};

pub const NAMES: &[&str] = &["gptneox"];
pub const MODELS: &str = "GPT-NeoX, Pythia, Dolly 2, RedPajama";

pub fn net(keys: &Keys) -> Result<Net> {
    let join = if keys.bool("use_parallel_residual")?.unwrap_or(true) { Join::Parallel } else { Join::Sequential };
    keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let dense = keys.biased_dense(layer, Activation::GeluTanh)?;
        Ok(Block { join, ..Block::sequential(attention, Dense { gate: GateIn::Nowhere, ..dense }) })
    })
}
