//! ModernBERT: norms before the parts of a block, a gate, and two layers of three that look around over a window.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Dense, GateIn, Gives, Mask, Net, Norm, Pairs};
use crate::{bail, file::quoted};

pub const NAMES: &[&str] = &["modern-bert"];
pub const MODELS: &str = "ModernBERT, GTE ModernBERT, Granite Embedding R2 (embeddings, rerankers, masked words)";

/// Every so many layers, the first one sees the whole context.
const PERIOD: u32 = 3;

pub fn net(keys: &Keys) -> Result<Net> {
    let window = keys.u32("attention.sliding_window")?.filter(|&window| window > 0);
    let period = keys.size_or("attention.sliding_window_pattern", PERIOD, u32::MAX)?;
    let local_theta = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
    let activation = match keys.str("hidden_act")?.unwrap_or("gelu") {
        "gelu" => Activation::GeluErf,
        "silu" => Activation::Silu,
        other => bail!(UnsupportedArchitecture, "This modern-bert model's gate is {}; gelu and silu are supported", quoted(other)),
    };
    let mut net = keys.net_with(Norm::Layer { weight: true, bias: false }, |layer| {
        let mut attention = keys.attention(layer, Pairs::Halves, 160_000.0)?;
        if let Some(window) = window.filter(|_| layer % period != 0) {
            attention.mask = Mask::Around(window / 2);
            attention.rope.theta = local_theta;
        }
        let dense = Dense { gate: GateIn::Up, ..keys.dense(layer, activation)? };
        let block = Block::sequential(attention, dense);
        // What the first layer reads was normed just before.
        Ok(if layer == 0 { Block { norms: [None, block.norms[1]], ..block } } else { block })
    })?;
    if let Gives::States { head: Some(head), .. } = &mut net.gives {
        // A head's matrix has a norm behind it.
        head.norm[0] = head.dense[0];
    }
    Ok(Net { embed_norm: true, ..keys.sees_all(net) })
}
