//! Which positions a token sees.

use super::{Attention, Block, Gives, Net};

/// Which positions a token sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Itself and all before it.
    Causal,
    /// Itself and so many before it that they are this many, at least 1.
    Window(u32),
    /// A prompt's tokens see all of the prompt, and what is decoded after it all before it (prefix LM, Raffel et al.
    /// 2020). The prompt has to be one batch.
    Prefix,
    /// Every token sees every other of its sequence, which has to be one batch: an encoder's.
    Full,
    /// The same of those that are at most so many positions away (Longformer, Beltagy et al. 2020).
    Around(u32),
}

impl Mask {
    /// How many cells a row may look back over, itself included; `None`: all.
    pub fn window(self) -> Option<u32> {
        match self {
            Mask::Window(window) => Some(window),
            Mask::Around(side) => Some(side.saturating_add(1)),
            Mask::Causal | Mask::Prefix | Mask::Full => None,
        }
    }

    /// How many cells after it a row of a batch may see, of a prompt or of others.
    pub fn ahead(self, prefill: bool) -> u32 {
        match self {
            Mask::Causal | Mask::Window(_) => 0,
            Mask::Prefix if !prefill => 0,
            Mask::Prefix | Mask::Full => u32::MAX,
            Mask::Around(side) => side,
        }
    }
}

impl Net {
    /// How far back each layer's cells are looked at, where that is not to the beginning; none where a text is one batch.
    pub fn windows(&self) -> Vec<Option<u32>> {
        let is_one_batch = self.sees_ahead() || self.gives != Gives::Logits;
        let window = |attention: &Attention| match (attention.latent, attention.mask) {
            (None, Mask::Window(window)) if !is_one_batch => Some(window),
            _ => None,
        };
        let mut windows: Vec<_> = self.blocks.iter().map(|block| block.attention().and_then(window)).collect();
        for attention in self.blocks.iter().filter_map(Block::attention) {
            // Whoever reads another layer's keys sees as far as it does itself.
            if let Some(of) = attention.keys_of {
                windows[of as usize] = windows[of as usize].zip(window(attention)).map(|(one, other)| one.max(other));
            }
        }
        windows
    }
}
