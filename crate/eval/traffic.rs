//! What a forward pass must read from memory besides its activations: weights, and cached keys and values. Divided by
//! the memory's speed it is the least time that a decoded token can take.

use std::ops::Range;

use crate::base::buffer::BufferId;
use crate::device::memory::Named;
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::face::Access;
use crate::kernels::table::KernelId;
use crate::model::forward::Model;
use crate::model::spec::Block;

/// Bytes, each counted once however often a kernel loads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Of weights.
    pub weights: u64,
    /// Of keys and values.
    pub kv: u64,
}

/// What one dispatch reads for rows at these positions of one sequence.
pub fn reads(buffers: &dyn Named, model: &Model, dispatch: &Dispatch, positions: Range<u32>) -> Reads {
    let mut reads = Reads::default();
    let mut seen: Vec<BufferId> = Vec::new();
    for (&id, access) in dispatch.buffers.iter().zip(dispatch.kernel().bindings) {
        // Kernels bind one buffer several times, for each type they view it as.
        // What a kernel updates it need not have read; the attention that writes its own cell has.
        let is_read = *access == Access::Read || dispatch.kernel().id == KernelId::DecodeAttention;
        if !is_read || seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let bytes = buffers.buffer_bytes(id);
        if let Some((cells, all)) = visible_cells(model, id, &positions) {
            reads.kv += bytes * u64::from(cells) / u64::from(all);
        } else if model.weights().holds(id) {
            let rows = positions.len() as u64;
            reads.weights += match dispatch.kernel().id {
                // Of the embedding each token looks up one row, wherever it is cut into parts.
                KernelId::Embed => bytes * rows / u64::from(model.net.n_vocab),
                // Of the experts each token reads those that it chose: at most as many as there are.
                KernelId::MatvecExperts | KernelId::MatmulExperts => match experts(model) {
                    Some((used, count)) => bytes * (rows * used).min(count) / count,
                    None => bytes,
                },
                _ => bytes,
            };
        }
    }
    reads
}

/// Experts that a token takes, and how many there are.
fn experts(model: &Model) -> Option<(u64, u64)> {
    // All layers' are as many.
    let experts = model.net.blocks.iter().find_map(Block::experts)?;
    Some((u64::from(experts.used), u64::from(experts.count)))
}

/// What all dispatches read together.
pub fn total(buffers: &dyn Named, model: &Model, recording: &Recording, positions: Range<u32>) -> Reads {
    recording
        .dispatches
        .iter()
        .map(|d| reads(buffers, model, d, positions.clone()))
        .fold(Reads::default(), |sum, r| Reads { weights: sum.weights + r.weights, kv: sum.kv + r.kv })
}

/// Cells of a cache buffer that any of the rows looks at, and all of them; `None` for other buffers.
fn visible_cells(model: &Model, id: BufferId, positions: &Range<u32>) -> Option<(u32, u32)> {
    let layer = model.kv().layers.iter().position(|&(k, v)| k == id || v == id)?;
    let first = match model.net.blocks[layer].attention()?.mask.window() {
        Some(window) => positions.start.saturating_sub(window - 1),
        None => 0,
    };
    Some((positions.end - first, model.kv().cells_of(layer)))
}
