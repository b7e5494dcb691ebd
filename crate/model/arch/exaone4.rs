//! EXAONE 4: norms only behind the parts of a block, and of heads. In the large one three of four layers look back over a
//! window, and the others have no rotation.

use crate::base::error::Result;
use crate::model::keys::Keys;
use crate::model::spec::{Activation, Attention, Block, Mask, Net, Pairs, QkNorm, Rope};

pub const NAMES: &[&str] = &["exaone4"];
pub const MODELS: &str = "EXAONE 4";

const PERIOD: u32 = 4;
/// The model of this many layers has windows.
const WINDOW_LAYERS: u32 = 64;

pub fn net(keys: &Keys) -> Result<Net> {
    let window = keys.size_or("attention.sliding_window", 4096, u32::MAX)?;
    let is_local = keys.sliding_pattern(PERIOD)?;
    let net = keys.net(|layer| {
        let attention = keys.attention(layer, Pairs::Halves, 10_000.0)?;
        let mut attention = Attention { qk_norm: QkNorm::Heads, ..attention };
        match (keys.n_layers == WINDOW_LAYERS, is_local[layer as usize]) {
            (false, _) => {}
            (true, true) => attention.mask = Mask::Window(window),
            (true, false) => attention.rope = Rope { dim: 0, ..attention.rope },
        }
        let dense = keys.dense(layer, Activation::Silu)?;
        Ok(Block { norms: [None; 2], post_norms: true, ..Block::sequential(attention, dense) })
    })?;
    Ok(Net { rope_factors: keys.rope_factors(&net.blocks)?, ..net })
}
