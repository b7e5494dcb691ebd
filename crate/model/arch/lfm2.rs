//! LFM2: short convolutions in most layers, attention in the others, and in some models experts that are chosen by sigmoids and
//! a bias.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Conv, Experts, Mask, Mix, Net, Pairs, QkNorm, Scored};

pub const NAMES: &[&str] = &["lfm2", "lfm2moe"];
pub const MODELS: &str = "LFM2, LFM2.5, dense and mixtures";

/// The most positions that a convolution looks back over.
const MOST_TAPS: u32 = 16;

pub fn net(keys: &Keys) -> Result<Net> {
    let window = keys.u32("attention.sliding_window")?.filter(|&window| window > 0);
    let net = keys.net(|layer| {
        let mix: Mix = match keys.number_of("attention.head_count_kv", layer)? {
            Some(0) => Conv { taps: keys.number_or("shortconv.l_cache", 0, 2..=MOST_TAPS)? }.into(),
            _ => {
                let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
                Attention { qk_norm: QkNorm::Heads, mask: window.map_or(Mask::Causal, Mask::Window), ..attention }.into()
            }
        };
        let feed = match keys.has_experts()? {
            false => keys.dense(layer, Activation::Silu)?.into(),
            true => keys.leading_dense(layer, || {
                Ok(Experts { normed: true, ..keys.scored_experts(layer, Scored::Sigmoid)? })
            })?,
        };
        Ok(Block::sequential(mix, feed))
    })?;
    // Files have the last norm by this name.
    Ok(Net { output_norm: "token_embd_norm".into(), ..net })
}
