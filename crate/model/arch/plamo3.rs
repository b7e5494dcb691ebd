//! PLaMo 3: norms of heads and behind both parts, Q, K and V in one tensor, gate and up in one; most layers look back over a window.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Mask, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["plamo3"];
pub const MODELS: &str = "PLaMo 3";

/// Every so many layers, the last one sees the whole context.
const PERIOD: u32 = 8;

pub fn net(keys: &Keys) -> Result<Net> {
    let windows = keys.windows(PERIOD)?;
    let local_theta = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
    keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Heads, ..attention };
        if let Some(window) = windows[layer as usize] {
            attention.mask = Mask::Window(window);
            attention.rope.theta = local_theta;
        }
        let dense = Dense { gate: GateIn::Up, ..keys.dense(layer, Activation::Silu)? };
        Ok(Block { post_norms: true, ..Block::sequential(attention, dense) })
    })
}
