//! What a forward pass must read from memory besides its activations: weights, and cached keys and values. Divided by
//! the memory's speed it is the least time that a decoded token can take.

use std::ops::Range;

use crate::config::Role;
use crate::forward::Model;
use crate::gpu::Gpu;
use crate::kernels::Access;
use crate::memory::BufferId;
use crate::params;
use crate::recording::{Dispatch, Recording};

/// Bytes, each counted once however often a kernel loads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    pub weights: u64,
    pub kv: u64,
}

/// What one dispatch reads for rows at these positions of one sequence.
pub fn reads(gpu: &Gpu, model: &Model, dispatch: &Dispatch, positions: Range<u32>) -> Reads {
    let mut reads = Reads::default();
    let mut seen: Vec<BufferId> = Vec::new();
    for (&id, access) in dispatch.buffers.iter().zip(dispatch.kernel.bindings) {
        // Kernels bind one buffer several times, for each type they view it as.
        if *access != Access::Read || seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let bytes = gpu.buffer_bytes(id);
        if let Some(cells) = visible_cells(model, id, &positions) {
            let all = u64::from(model.kv().context) * u64::from(model.kv().n_sequences);
            reads.kv += bytes * u64::from(cells) / all;
        } else if Role::of(gpu.label(id)).is_some() {
            reads.weights += match embedding_rows(dispatch) {
                Some(rows) => bytes * positions.len() as u64 / u64::from(rows.max(1)),
                None => bytes,
            };
        }
    }
    reads
}

/// What all dispatches read together.
pub fn total(gpu: &Gpu, model: &Model, recording: &Recording, positions: Range<u32>) -> Reads {
    recording
        .dispatches
        .iter()
        .map(|d| reads(gpu, model, d, positions.clone()))
        .fold(Reads::default(), |sum, r| Reads { weights: sum.weights + r.weights, kv: sum.kv + r.kv })
}

/// Cells of a cache buffer that any of the rows looks at; `None` for other buffers.
fn visible_cells(model: &Model, id: BufferId, positions: &Range<u32>) -> Option<u32> {
    let layer = model.kv().layers.iter().position(|&(k, v)| k == id || v == id)?;
    let first = match model.config.layers[layer].window {
        Some(window) => positions.start.saturating_sub(window - 1),
        None => 0,
    };
    Some(positions.end - first)
}

/// Rows of the table where a dispatch looks up one a token instead of reading them all.
fn embedding_rows(dispatch: &Dispatch) -> Option<u32> {
    let size = size_of::<params::Embed>();
    (dispatch.kernel.name == "embed")
        .then(|| bytemuck::pod_read_unaligned::<params::Embed>(&dispatch.params[..size]).n_rows)
}
