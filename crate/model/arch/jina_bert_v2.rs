//! Jina's BERT: ALiBi to both sides, and a gate in the feed-forward network. The model of code has more norms: of all
//! queries and all keys, and a second one behind attention.

use super::bert::NORMS;
use super::bloom::ALIBI;
use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Join, Net, Norm, QkNorm};

pub const NAMES: &[&str] = &["jina-bert-v2"];
pub const MODELS: &str = "Jina Embeddings 2 (of texts and of code), Jina Reranker 1";

pub fn net(keys: &Keys) -> Result<Net> {
    let of_code = keys.has_in_any_layer(&["attn_norm_2.weight"]);
    let (qk_norm, join) = if of_code { (QkNorm::WholeLayer, Join::NormedTwice) } else { (QkNorm::None, Join::Normed) };
    // The halves of the matrix that holds both are as in the original model, whose two programs differ.
    let gate = match (keys.has_in_any_layer(&["ffn_gate.weight"]), of_code) {
        (true, _) => GateIn::Own,
        (false, true) => GateIn::BehindUp,
        (false, false) => GateIn::Up,
    };
    let net = keys.net_with(Norm::Layer { weight: true, bias: true }, |layer| {
        let attention = Attention { alibi: ALIBI, qk_norm, ..keys.unrotated_attention(layer)? };
        let dense = Dense { gate, ..keys.biased_dense(layer, Activation::GeluErf)? };
        Ok(Block { join, ..Block::normed(attention, dense, NORMS) })
    })?;
    Ok(keys.encoder(net))
}
