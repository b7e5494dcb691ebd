//! A dispatch run by itself, with what its buffers hold before and after it.

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::gpu::Gpu;
use crate::device::memory::Named;
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::cut;
use crate::kernels::face::Access;
use crate::kernels::trial::{Held, Trial};

/// Bytes of a buffer that are read at most.
const MOST: u64 = 32 << 20;
/// Of a cache: what tokens are in it lies at its beginning.
const MOST_CACHED: u64 = 4 << 20;
/// Of activations at least: not all are as many as rows.
const LEAST: u64 = 1 << 20;

/// What is read of a buffer: (first, count), and where that goes in a copy of so many bytes.
struct Part {
    pieces: Vec<(u64, u64, u64)>,
    bytes: u64,
}

/// Runs a dispatch whose activations have `share` of the most rows; `None`, and it has not run, where it reads too much to be
/// looked at.
pub async fn run(gpu: &Gpu, dispatch: &Dispatch, share: (u32, u32), caches: &[BufferId]) -> Result<Option<Trial>> {
    let mut ids: Vec<BufferId> = Vec::new();
    let mut bound = Vec::new();
    for &id in &dispatch.buffers {
        bound.push(ids.iter().position(|&other| other == id).unwrap_or(ids.len()));
        if bound.last() == Some(&ids.len()) {
            ids.push(id);
        }
    }
    let cut = cut::cut(dispatch.variant, &dispatch.params);
    let mut part = cut.is_some();
    let mut parts = Vec::new();
    for (index, &id) in ids.iter().enumerate() {
        let bytes = gpu.buffer_bytes(id);
        let weights = index == bound[0] && cut::reads_weights(dispatch.variant);
        if let Some(cut) = cut.as_ref().filter(|_| weights) {
            parts.push(Part { pieces: cut.pieces.clone(), bytes: cut.bytes });
            continue;
        }
        if weights && bytes > MOST {
            return Ok(None);
        }
        let most = match () {
            _ if caches.contains(&id) => MOST_CACHED,
            _ if gpu.label(id).starts_with("activations") => {
                LEAST.max(bytes * u64::from(share.0) / u64::from(share.1)).next_multiple_of(16)
            }
            _ => MOST,
        };
        let count = bytes.min(most);
        part |= count < bytes;
        parts.push(Part { pieces: vec![(0, count, 0)], bytes: count });
    }
    let all: Vec<usize> = (0..ids.len()).collect();
    let before = read(gpu, &ids, &parts, &all).await?;
    gpu.run(&gpu.prepare(&Recording { dispatches: vec![dispatch.clone()] }));
    let writes = |&index: &usize| {
        let bindings = dispatch.kernel().bindings.iter().zip(&bound);
        bindings.into_iter().any(|(access, other)| *access == Access::Write && *other == index)
    };
    let written: Vec<usize> = all.into_iter().filter(writes).collect();
    let after = read(gpu, &ids, &parts, &written).await?;
    let mut held: Vec<Held> = before.into_iter().map(|before| Held { before, after: None }).collect();
    written.into_iter().zip(after).for_each(|(index, after)| held[index].after = Some(after));
    let params = cut.map_or_else(|| dispatch.params.clone(), |cut| cut.params);
    Ok(Some(Trial { variant: dispatch.variant, params, grid: dispatch.grid, bound, held, part }))
}

/// The words of some of the buffers.
async fn read(gpu: &Gpu, ids: &[BufferId], parts: &[Part], which: &[usize]) -> Result<Vec<Vec<u32>>> {
    let pieces: Vec<(BufferId, u64, u64)> = which
        .iter()
        .flat_map(|&index| parts[index].pieces.iter().map(move |&(first, count, _)| (ids[index], first, count)))
        .collect();
    let bytes = gpu.read_pieces(&pieces).await?;
    let mut at = 0;
    let copy = |&index: &usize| {
        let Part { pieces, bytes: size } = &parts[index];
        let mut words = vec![0u32; (size / 4) as usize];
        let to_bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        for &(_, count, to) in pieces {
            to_bytes[to as usize..][..count as usize].copy_from_slice(&bytes[at..at + count as usize]);
            at += count as usize;
        }
        words
    };
    Ok(which.iter().map(copy).collect())
}
