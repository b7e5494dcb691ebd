//! Where a token's attention is put together in its own dispatch: see `shaders/shared/merge_inside.wgsl`.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::kernels::choose::Choice;
use crate::model::spec::{Attention, Net};

/// One buffer for all layers: their results first, then counts and parts, which are 0 between dispatches. No activations may
/// come to lie there, so it is none of the arena's.
pub struct Merged {
    pub buffer: BufferId,
    /// Words of the widest result.
    pub results: u32,
}

impl Merged {
    /// Of no bytes where nothing is cut, or nothing put together inside.
    pub fn place(net: &Net, choice: &Choice, memory: &mut dyn Memory) -> Result<Self> {
        let parts = choice.cuts.at(u32::MAX);
        let layers = || net.blocks.iter().filter_map(|block| block.attention()).filter(|spec| spec.fits_one());
        let results = layers().map(Attention::q_dim).max().unwrap_or(0);
        let behind =
            |spec: &Attention| u64::from(spec.n_heads) * (1 + u64::from(parts) * (u64::from(spec.head_dim) + 2));
        let words = match choice.merge {
            Some(_) if parts > 1 => u64::from(results) + layers().map(behind).max().unwrap_or(0),
            _ => 0,
        };
        Ok(Merged { buffer: memory.alloc("attention, put together", words * 4)?, results })
    }
}
