//! MiniMax M2: norms of all queries and all keys, and experts that are chosen by sigmoids and a bias.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Experts, Net, Pairs, QkNorm, Scored};

pub const NAMES: &[&str] = &["minimax-m2"];
pub const MODELS: &str = "MiniMax M2, M2.1";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = Attention { qk_norm: QkNorm::Whole, ..keys.attention(layer, Pairs::Halves, 10_000.0)? };
        let experts = Experts { normed: true, ..keys.scored_experts(layer, Scored::Sigmoid)? };
        Ok(Block::sequential(attention, experts))
    })
}
