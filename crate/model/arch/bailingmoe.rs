//! Ling 1 and 2: experts beside one that all tokens go through; from the second on norms of heads, and rotation by halves.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm, Scored};

pub const NAMES: &[&str] = &["bailingmoe", "bailingmoe2"];
pub const MODELS: &str = "Ling Lite and Plus, Ling and Ring Mini, Flash and 1T (2.0)";

pub fn net(keys: &Keys) -> Result<Net> {
    let second = keys.arch == "bailingmoe2";
    let (pairs, qk_norm) = if second { (Pairs::Halves, QkNorm::Heads) } else { (Pairs::Adjacent, QkNorm::None) };
    let net = keys.net(|layer| {
        let attention = Attention { qk_norm, ..keys.biased_attention(layer, pairs, 10_000.0)? };
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Softmax))?;
        Ok(Block::sequential(attention, feed))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
