//! Gemma 3: most layers look back over a window and rotate faster, every sixth sees the whole context.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Mask, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["gemma3"];
pub const MODELS: &str = "Gemma 3 (text)";

/// Every so many layers, the last one sees the whole context.
const PERIOD: u32 = 6;
/// In the model of this many layers attention is scaled by 1/sqrt(n_embd / n_heads) instead of 1/sqrt(head_dim): the
/// file does not say so itself.
const WIDE_SCALE_LAYERS: u32 = 62;

pub fn net(keys: &Keys) -> Result<Net> {
    with(keys, Mask::Window)
}

/// The network whose local layers see by `local`, of the window's length.
pub(super) fn with(keys: &Keys, local: fn(u32) -> Mask) -> Result<Net> {
    let windows = keys.windows(PERIOD)?;
    let local_theta = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
    let has_scale = keys.positive("attention.scale")?.is_some();
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 1_000_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Heads, ..attention };
        if let Some(window) = windows[layer as usize] {
            attention.mask = local(window);
            // Positions are stretched where the whole context is seen, only.
            attention.rope = attention.rope.unscaled(local_theta);
        }
        if keys.n_layers == WIDE_SCALE_LAYERS && !has_scale {
            attention.scale = ((keys.n_embd / attention.n_heads) as f32).sqrt().recip();
        }
        let dense = keys.dense(layer, Activation::GeluTanh)?;
        Ok(Block { post_norms: true, ..Block::sequential(attention, dense) })
    })?;
    Ok(Net { embed_scale: (keys.n_embd as f32).sqrt(), ..net })
}
