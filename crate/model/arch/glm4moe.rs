//! GLM-4.5: dense layers first, then experts that are chosen by sigmoids and a bias, beside one that all tokens go through.
//! The layers that guess further tokens are not read.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Net, Pairs, QkNorm, Scored};

pub const NAMES: &[&str] = &["glm4moe"];
pub const MODELS: &str = "GLM-4.5 and GLM-4.5 Air";

pub fn net(keys: &Keys) -> Result<Net> {
    // The largest alone has them.
    let qk_norm = match keys.has_in_any_layer(&["attn_q_norm.weight"]) {
        true => QkNorm::Heads,
        false => QkNorm::None,
    };
    keys.net(|layer| {
        let attention = Attention { qk_norm, ..keys.biased_attention(layer, Pairs::Halves, 10_000.0)? };
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Sigmoid))?;
        let norms = [Some("attn_norm"), Some("post_attention_norm")];
        Ok(Block { norms, ..Block::sequential(attention, feed) })
    })
}
