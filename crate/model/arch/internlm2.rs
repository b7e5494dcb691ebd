//! InternLM 2 and 2.5, XVERSE, ERNIE 4.5: as Llama, without factors for its rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["internlm2", "xverse", "ernie4_5"];
pub const MODELS: &str = "InternLM 2 to 3, XVERSE, ERNIE 4.5 (dense)";

pub fn net(keys: &Keys) -> Result<Net> {
    keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Adjacent, 10_000.0)?;
        Ok(Block::sequential(attention, keys.dense(layer, Activation::Silu)?))
    })
}
