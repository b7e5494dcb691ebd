//! Keys and values of every layer. Each sequence owns a run of cells, one a position, so a row finds its cells
//! without a table: cell = sequence * context + position.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::base::precision::KvType;
use crate::device::memory::Memory;
use crate::model::config::ModelConfig;

#[derive(Debug)]
pub struct KvCache {
    pub kind: KvType,
    /// Positions of all sequences together.
    pub cells: u32,
    /// Per layer, [cells][n_kv_heads][head_dim].
    pub layers: Vec<(BufferId, BufferId)>,
}

impl KvCache {
    /// `AdapterTooSmall` where a layer's cells exceed the largest binding.
    pub fn new(config: &ModelConfig, kind: KvType, cells: u32, memory: &mut dyn Memory) -> Result<Self> {
        let bytes = cells as u64 * config.n_kv_heads as u64 * config.head_dim as u64 * kind.bytes();
        let mut layers = Vec::with_capacity(config.n_layers as usize);
        for _ in 0..config.n_layers {
            layers.push((memory.alloc("k cache", bytes)?, memory.alloc("v cache", bytes)?));
        }
        Ok(KvCache { kind, cells, layers })
    }
}
