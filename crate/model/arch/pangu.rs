//! openPangu Embedded, and the text side of PaddleOCR-VL: Llama with biases, rotated by halves; among text alone, rotation by three
//! axes is rotation by one.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Block, Net, Pairs};

pub const NAMES: &[&str] = &["pangu-embedded", "paddleocr"];
pub const MODELS: &str = "openPangu Embedded, and the text side of PaddleOCR-VL";

pub fn net(keys: &Keys) -> Result<Net> {
    let net = keys.net(|layer| {
        let attention = keys.biased_attention(layer, Pairs::Halves, 10_000.0)?;
        Ok(Block::sequential(attention, keys.biased_dense(layer, Activation::Silu)?))
    })?;
    Ok(Net { output_bias: keys.has_tensor("output.bias"), ..net })
}
