//! OLMo 2 and 3: norms only behind the parts of a block, and of all queries and all keys. In OLMo 3 three of four layers look
//! back over a window.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Mask, Net, Pairs, QkNorm};

pub const NAMES: &[&str] = &["olmo2"];
pub const MODELS: &str = "OLMo 2, OLMo 3 (dense)";

const PERIOD: u32 = 4;

pub fn net(keys: &Keys) -> Result<Net> {
    let windows = keys.windows(PERIOD)?;
    keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Whole, ..attention };
        if let Some(window) = windows[layer as usize] {
            attention.mask = Mask::Window(window);
            // Positions are stretched where the whole context is seen, only.
            attention.rope = attention.rope.unscaled(attention.rope.theta);
        }
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(Block { norms: [None; 2], post_norms: true, ..Block::sequential(attention, dense) })
    })
}
