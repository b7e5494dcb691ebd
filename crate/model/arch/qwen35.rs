//! Qwen3.5 and Qwen3-Next: gated delta nets, and in every fourth layer attention whose results have gates. For text the
//! sections of the rotation all turn by the token's position.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Mix, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["qwen35", "qwen35moe", "qwen3next"];
pub const MODELS: &str = "Qwen3.5 (text; dense and mixtures), Qwen3-Next 80B-A3B";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let mix: Mix = if keys.is_recurrent(layer)? {
            keys.delta(keys.arch == "qwen3next")?.into()
        } else {
            let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
            Attention { qk_norm: QkNorm::Heads, gated: true, ..attention }.into()
        };
        let norms = [Some("attn_norm"), Some("post_attention_norm")];
        Ok(Block { norms, ..Block::sequential(mix, keys.feed(layer)?) })
    })
}
