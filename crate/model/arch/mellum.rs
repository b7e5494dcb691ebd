//! Mellum 2: Qwen3's mixtures, most of whose layers look back over a window and are rotated as they were trained.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Attention, Block, Mask, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["mellum"];
pub const MODELS: &str = "Mellum 2";

/// Every so many layers, the last one sees the whole context.
const PERIOD: u32 = 4;

pub fn net(keys: &Keys) -> Result<Net> {
    let windows = keys.windows(PERIOD)?;
    keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Heads, ..attention };
        if let Some(window) = windows[layer as usize] {
            attention.mask = Mask::Window(window);
            attention.rope = attention.rope.unscaled(attention.rope.theta);
        }
        Ok(Block::sequential(attention, keys.experts(layer)?))
    })
}
