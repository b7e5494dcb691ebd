//! Gemma 4 (Google 2026): most layers look back over a window, with heads, rotations and key heads of their own sizes; of
//! some models those that do not have keys for values. In the small ones the last layers read the keys and values of the last
//! before them of their kind, and each lets in embeddings of its own; one has experts beside each network.

use crate::bail;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{
    Activation, Attention, Behind, Block, Dense, Experts, Feed, Mask, Net, Pairs, QkNorm, Rope, RopeFactors,
};

pub const NAMES: &[&str] = &["gemma4"];
pub const MODELS: &str = "Gemma 4 E2B, E4B, 26B-A4B and 31B (text)";

/// The widest embedding of a layer's own.
const WIDEST: u32 = 1 << 14;

pub fn net(keys: &Keys) -> Result<Net> {
    let is_local = keys.sliding_pattern(6)?;
    let window = keys.size("attention.sliding_window", u32::MAX)?;
    let shared = keys.number_or("attention.shared_kv_layers", 0, 0..=keys.n_layers - 1)?;
    let first_shared = keys.n_layers - shared;
    let width = keys.u32("embedding_length_per_layer_input")?.filter(|&width| width > 0);
    let embedding = width.map(|_| keys.size("embedding_length_per_layer_input", WIDEST)).transpose()?;
    let net = keys.net(|layer| {
        let local = is_local[layer as usize];
        let attention = keys.attention_by(if local { "_swa" } else { "" }, layer, Pairs::Halves, 10_000.0)?;
        let mut keys_of = None;
        if layer >= first_shared {
            let own = (0..first_shared).rev().find(|&own| is_local[own as usize] == local);
            let Some(own) = own else {
                bail!(
                    BadMetadata,
                    "Layer {layer} has no keys of its own, and none before it has keys of its kind; the file needs to be converted again"
                )
            };
            keys_of = Some(own);
        }
        let attention = Attention {
            scale: 1.0,
            mask: if local { Mask::Window(window) } else { Mask::Causal },
            // The file's factors keep most pairs of the wide heads where they are.
            rope: Rope { factors: !local, ..attention.rope },
            qk_norm: QkNorm::Heads,
            v_norm: true,
            values_are_keys: !local && keys_of.is_none() && !keys.has_tensor(&format!("blk.{layer}.attn_v.weight")),
            keys_of,
            ..attention
        };
        let behind = Behind { embedding, scaled: keys.has_in_any_layer(&["layer_output_scale.weight"]) };
        let dense = keys.dense(layer, Activation::GeluTanh)?;
        let feed = match keys.has_experts()? {
            false => dense.into(),
            true => Feed::Beside(dense, experts(keys, layer)?),
        };
        Ok(Block { post_norms: true, behind, ..Block::sequential(attention, feed) })
    })?;
    let mut whole = net.blocks.iter().filter_map(Block::attention).map(|attention| attention.rope).filter(|rope| rope.factors);
    let rope_factors = whole.next().map(|rope| RopeFactors::One(rope.dim / 2));
    let final_logit_softcap = net.final_logit_softcap.or(Some(30.0));
    Ok(Net { embed_scale: (keys.n_embd as f32).sqrt(), rope_factors, final_logit_softcap, ..net })
}

fn experts(keys: &Keys, layer: u32) -> Result<Experts> {
    let experts = keys.experts(layer)?;
    Ok(Experts { each: Dense { activation: Activation::GeluTanh, ..experts.each }, ..experts })
}
