//! Llama 1 to 3, Mistral, SmolLM2 and many more.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Net, Pairs};

pub const NAMES: &[&str] = &["llama"];
pub const MODELS: &str = "Llama 1 to 3, SmolLM2, Mistral and what else is converted under this name";

pub fn net(keys: &Keys) -> Result<Net> {
    // Some have biases; those that have any have them all.
    let bias = keys.has_in_any_layer(&["attn_q.bias", "attn_k.bias", "attn_v.bias"]);
    let net = keys.net(|layer| {
        let attention = Attention { bias, ..keys.attention(layer, Pairs::Adjacent, 10_000.0)? };
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })?;
    // Llama 3 stretches its context by a factor for each frequency.
    let rope_factors = keys.has_tensor("rope_freqs.weight").then(|| net.blocks[0].attention().rope.dim / 2);
    Ok(Net { rope_factors, ..net })
}
