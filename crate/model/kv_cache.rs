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
    /// Positions per sequence.
    pub context: u32,
    pub n_sequences: u32,
    /// Per layer, [cells][n_kv_heads][head_dim].
    pub layers: Vec<(BufferId, BufferId)>,
}

impl KvCache {
    /// `AdapterTooSmall` where a layer's cells exceed the largest binding.
    pub fn new(
        config: &ModelConfig,
        kind: KvType,
        context: u32,
        n_sequences: u32,
        memory: &mut dyn Memory,
    ) -> Result<Self> {
        let cells = context as u64 * n_sequences as u64;
        let bytes = cells * config.n_kv_heads as u64 * config.head_dim as u64 * kind.bytes();
        let mut layers = Vec::with_capacity(config.n_layers as usize);
        for _ in 0..config.n_layers {
            layers.push((memory.alloc("k cache", bytes)?, memory.alloc("v cache", bytes)?));
        }
        Ok(KvCache { kind, context, n_sequences, layers })
    }
}
