//! Apertus: norms of heads, and a feed-forward network of XIELU, without a gate.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Dense, GateIn, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["apertus"];
pub const MODELS: &str = "Apertus";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        let number = |name: &str| keys.global_f32(&format!("xielu.{name}"), layer);
        // The file has what was learned, from which both bends are made positive.
        let softplus = |x: f32| x.exp().ln_1p();
        let beta = number("beta")?;
        let (positive, negative) = (softplus(number("alpha_p")?), beta + softplus(number("alpha_n")?));
        let activation = Activation::Xielu { positive, negative, beta, eps: number("eps")? };
        let dense = Dense { gate: GateIn::Nowhere, ..keys.biased_dense(layer, activation)? };
        Ok(Block::sequential(Attention { qk_norm: QkNorm::Heads, ..attention }, dense))
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
