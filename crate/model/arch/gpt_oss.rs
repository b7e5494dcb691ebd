//! gpt-oss (OpenAI 2025): heads with sinks, of which every other layer's look back over a window, and experts with
//! biases whose gates have a limit.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, Experts, Mask, Net, Pairs, Scored};

pub const NAMES: &[&str] = &["gpt-oss"];
pub const MODELS: &str = "gpt-oss 20B and 120B";

const ACTIVATION: Activation = Activation::Limited { slope: 1.702, limit: 7.0 };

pub fn net(keys: &Keys) -> Result<Net> {
    let window = keys.size("attention.sliding_window", u32::MAX)?;
    let is_local = keys.sliding_pattern(2)?;
    let local_theta = keys.positive("rope.freq_base_swa")?;
    keys.net(|layer| {
        let mut attention = Attention { sinks: true, ..keys.biased_attention(layer, Pairs::Halves, 10_000.0)? };
        if is_local[layer as usize] {
            attention.mask = Mask::Window(window);
            attention.rope.theta = local_theta.unwrap_or(attention.rope.theta);
        }
        let experts = keys.experts(layer)?;
        let each = Dense { activation: ACTIVATION, ..experts.each };
        let experts = Experts { scores: Scored::SoftmaxOfChosen, normed: false, each, ..experts };
        let norms = [Some("attn_norm"), Some("post_attention_norm")];
        Ok(Block { norms, ..Block::sequential(attention, experts) })
    })
}
