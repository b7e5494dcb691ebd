//! Keys at other positions: what becomes of them when tokens before them go.
//!
//! A key is rotated by its position, and a rotation by p and then by -d is one by p - d: so keys that move need not be computed
//! anew. What is not rotated (values, keys of layers without positions, ALiBi's) is the same at any position. In layers behind
//! the first, keys and values remember what their tokens saw when they were read, tokens that are gone among it.

use crate::bail;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::kernels::table::rope_shift;
use crate::model::blocks::neox;
use crate::model::forward::Model;
use crate::model::spec::{Net, QkNorm};

/// Positions of a dispatch.
const MOST: u32 = 65_535;

impl Net {
    /// `BadOption` where what was computed of tokens says nothing of them at other positions.
    pub fn check_shifts(&self) -> Result<()> {
        let attentions = || self.blocks.iter().filter_map(|block| block.attention());
        let rotated_first = |norm: QkNorm| norm == QkNorm::Rotated;
        let reasons = [
            (self.blocks.iter().any(|block| block.state(self) > 0), "recurrent layers keep one state of all tokens"),
            (self.learned_positions.is_some(), "its positions are learned, and part of all that is computed"),
            (
                attentions().any(|it| rotated_first(it.qk_norm) && it.rope.dim > 0),
                "its keys are weighted once they are rotated",
            ),
            (self.sees_ahead(), "its tokens see those after them"),
        ];
        if let Some((_, why)) = reasons.iter().find(|(is_so, _)| *is_so) {
            bail!(
                BadOption,
                "The context of this {} model cannot be shifted: {why}; use overflow \"trim\".",
                self.arch
            );
        }
        Ok(())
    }
}

impl Model {
    /// Says by how many positions [`Model::record_shift`] moves keys back, in passes that are submitted from here on.
    pub fn write_shift(&self, back: u32, memory: &mut dyn Memory) {
        self.ropes.write_shift(back, memory);
    }

    /// What rotates `count` keys of each layer from `position` on, of a sequence whose table is all of the batch's buffer.
    pub fn record_shift(&self, position: u32, count: u32) -> Result<Recording> {
        let mut recording = Recording::default();
        for (index, block) in self.net.blocks.iter().enumerate() {
            let (Some(spec), Some(angles)) = (block.attention(), self.ropes.shift(index)) else { continue };
            if spec.keys_of.is_some() {
                continue;
            }
            for from in (0..count).step_by(MOST as usize) {
                recording.push(
                    rope_shift::Variant { kv: self.choice.kv },
                    rope_shift::Params {
                        table: 0,
                        position: position + from,
                        n_kv_heads: spec.n_kv_heads,
                        head_dim4: spec.head_dim / 4,
                        begin: spec.latent.map_or(0, |latent| latent.rank),
                        rope_half: spec.rope.dim / 2,
                        neox: neox(spec),
                        turned: spec.latent.is_none() as u32,
                    },
                    rope_shift::Bind { batch: self.batch_buffer(), angles, k_cache: self.kv_buffers()[index].0 },
                    [spec.n_kv_heads, MOST.min(count - from)],
                )?;
            }
        }
        Ok(recording)
    }
}
