//! Gemma 2: every second layer looks back over a window, scores and logits are capped, and norms stand behind the parts of a
//! block too.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Mask, Net, Pairs};

pub const NAMES: &[&str] = &["gemma2"];
pub const MODELS: &str = "Gemma 2";

const PERIOD: u32 = 2;
/// The model of this many layers scales attention by 1/sqrt(n_embd / n_heads): the file does not say so itself.
const WIDE_SCALE_LAYERS: u32 = 46;

pub fn net(keys: &Keys) -> Result<Net> {
    let window = keys.size_or("attention.sliding_window", 4096, u32::MAX)?;
    let is_local = keys.sliding_pattern(PERIOD)?;
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let scale = match keys.n_layers {
            WIDE_SCALE_LAYERS => ((keys.n_embd / attention.n_heads) as f32).sqrt().recip(),
            _ => attention.scale,
        };
        let softcap = Some(keys.positive("attn_logit_softcapping")?.unwrap_or(50.0));
        let mask = if is_local[layer as usize] { Mask::Window(window) } else { Mask::Causal };
        let attention = Attention { scale, softcap, mask, ..attention };
        let dense = keys.dense(layer, Activation::GeluTanh)?;
        Ok(Block { post_norms: true, ..Block::sequential(attention, dense) })
    })?;
    let final_logit_softcap = net.final_logit_softcap.or(Some(30.0));
    Ok(Net { embed_scale: (keys.n_embd as f32).sqrt(), final_logit_softcap, ..net })
}
