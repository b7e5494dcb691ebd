//! Trinity of Arcee: gates behind attention, norms behind both parts, most layers of which look back over a window; those that
//! do not have no rotation; dense layers first, then experts beside one that all tokens go through.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Mask, Net, Pairs, QkNorm, Rope, Scored};

pub const NAMES: &[&str] = &["afmoe"];
pub const MODELS: &str = "Trinity Nano and Mini";

/// Every so many layers, the last one sees the whole context, and is not rotated.
const PERIOD: u32 = 4;

pub fn net(keys: &Keys) -> Result<Net> {
    let windows = keys.windows(PERIOD)?;
    let local_theta = keys.positive("rope.freq_base_swa")?;
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Heads, gated: true, gate_apart: true, ..attention };
        if let Some(window) = windows[layer as usize] {
            attention.mask = Mask::Window(window);
            attention.rope.theta = local_theta.unwrap_or(attention.rope.theta);
        }
        if layer % PERIOD == PERIOD - 1 {
            attention.rope = Rope { dim: 0, ..attention.rope };
        }
        let feed = keys.leading_dense(layer, || keys.scored_experts(layer, Scored::Sigmoid))?;
        Ok(Block { post_norms: true, ..Block::sequential(attention, feed) })
    })?;
    Ok(Net { embed_scale: (keys.n_embd as f32).sqrt(), ..net })
}
