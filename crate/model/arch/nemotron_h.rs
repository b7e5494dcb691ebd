//! Nemotron-H: a layer is a state space, or attention without a rotation, or a feed-forward network, or a mixture of them.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, Experts, Feed, GateIn, Mix, Net, Scored, Shared};

pub const NAMES: &[&str] = &["nemotron_h", "nemotron_h_moe"];
pub const MODELS: &str = "Nemotron-H, Nemotron Nano 2 and 3";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let has = |key: &str| Ok(keys.number_of(key, layer)?.is_some_and(|number| number > 0));
        Ok(if has("feed_forward_length")? {
            Block::one(Mix::None, feed(keys, layer)?)
        } else if has("attention.head_count_kv")? {
            Block::one(keys.unrotated_attention(layer)?, Feed::None)
        } else {
            Block::one(keys.mamba2()?, Feed::None)
        })
    })
}

fn feed(keys: &Keys, layer: u32) -> Result<Feed> {
    let plain = |dense: Dense| Dense { activation: Activation::ReluSquared, gate: GateIn::Nowhere, ..dense };
    if !keys.has_experts()? {
        return Ok(plain(keys.biased_dense(layer, Activation::ReluSquared)?).into());
    }
    let experts = keys.scored_experts(layer, Scored::Sigmoid)?;
    let shared = experts.shared.map(|shared| Shared { dense: plain(shared.dense), ..shared });
    Ok(Experts { each: plain(experts.each), shared, ..experts }.into())
}
