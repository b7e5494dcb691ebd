//! `shaders/attention/decode_attention.wgsl` on the CPU: a piece is a stretch of a KV head's cells for a row; all of them where
//! they are to be merged inside, as this backend never records it.

use std::ops::Range;

use wide::f32x4;

use super::attend::{Cells, Queries, State, groups, slopes};
use crate::kernels::cell::{cell, row, row_of};
use crate::kernels::cpu::{Kernel, Scratch, sized};
use crate::kernels::job::Job;
use crate::kernels::rope::{Rotation, head_norm, query_scale, store, turn};
use crate::kernels::table::choices::Merge;
use crate::kernels::table::decode_attention::Variant;

pub static KERNEL: Kernel = Kernel { pieces, run };

/// The largest score over no cells at all.
const LOWEST: f32 = -3.0e38;

/// Stretches that are made apart.
fn splits(job: &Job) -> usize {
    match job.variant::<Variant>().merge {
        Merge::Apart => job.params::<Variant>().splits as usize,
        Merge::Inside => 1,
    }
}

/// The grid's second number is rows times stretches.
fn pieces(job: &Job) -> usize {
    let p = job.params::<Variant>();
    (job.grid[1] / p.splits * p.n_kv_heads) as usize * splits(job)
}

/// What a thread keeps: queries, a key and results; keys and values of some cells.
#[derive(Default)]
struct Store {
    x: Vec<f32>,
    tile: Vec<f32>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (per_kv, splits) = (heads / kv_heads, splits(job));
    let (kv, batch) = (job.variant::<Variant>().kv, b.batch.all());
    let [q_norm, k_norm] = [b.q_norm, b.k_norm].map(|weight| head_norm(weight, p.has_norm, dim, p.eps));
    let Store { x, tile } = scratch.of();
    for piece in pieces {
        let (kv_head, split, r) = (piece % kv_heads, piece / kv_heads % splits, piece / kv_heads / splits);
        let row = row_of(row(batch, r), p.tables);
        let position = row[1] as usize;
        let end = position + 1;
        let begin = if p.window == 0 { 0 } else { end.saturating_sub(p.window as usize) };
        let share = (end - begin).div_ceil(splits);
        let from = (begin + split * share).min(end);
        let seen = from..(from + share).min(end);

        let cells = Cells { batch, caches: [b.k_cache, b.v_cache], kv, kv_heads, kv_head, dim, softcap: p.softcap };
        let scale = query_scale(p.attn_scale, p.stretch, p.stretch_every, row[1]);
        let rotation = Rotation::<f32x4>::at(position, b.rope.all_floats(), p.rope_half as usize, p.neox != 0);
        let (q, rest) = sized(x, (2 * per_kv + 1) * dim).split_at_mut(per_kv * dim);
        let (k, out) = rest.split_at_mut(dim);
        let head = |h: usize, count: usize| {
            let at = (r * (heads + 2 * kv_heads) + h) * dim;
            b.qkv.floats(at..at + count * dim)
        };
        // The only stretch that reads the row's own cell writes it.
        if seen.contains(&position) {
            let at = cell(batch, row, row[1]) as usize * kv_heads + kv_head;
            k.copy_from_slice(head(heads + kv_head, 1));
            rotation.head(k, k_norm);
            if kv.turned() {
                turn(k);
            }
            store(b.k_cache, at, k, dim, kv);
            store(b.v_cache, at, head(heads + kv_heads + kv_head, 1), dim, kv);
        }
        q.copy_from_slice(head(kv_head * per_kv, per_kv));
        for q in q.chunks_exact_mut(dim) {
            rotation.head(q, q_norm);
            if kv.turned() {
                turn(q);
            }
            q.iter_mut().for_each(|v| *v *= scale);
        }
        if seen.is_empty() {
            out.fill(0.0);
        }
        for group in groups(per_kv) {
            let elements = group.start * dim..group.end * dim;
            let first = kv_head * per_kv + group.start;
            let slopes = slopes(p.alibi, heads, first..first + group.len());
            let (q, out) = (Queries { q: &q[elements.clone()], position, slopes }, &mut out[elements]);
            let mut state = State::default();
            for positions in cells.tiles(seen.clone()) {
                let loaded = cells.load(row, positions.clone(), tile);
                cells.attend(&loaded, positions, q, &mut state, out);
            }
            if splits == 1 {
                state.finish(out, dim);
            }
            for (g, out) in out.chunks_exact(dim).enumerate() {
                let at = r * heads + first + g;
                if splits == 1 {
                    b.out.floats_mut(at * dim..(at + 1) * dim).copy_from_slice(out);
                } else {
                    let to = b.out.floats_mut((at * splits + split) * (dim + 4)..(at * splits + split + 1) * (dim + 4));
                    to[..dim].copy_from_slice(out);
                    to[dim..].copy_from_slice(&[state.top[g].max(LOWEST), state.total[g], 0.0, 0.0]);
                }
            }
        }
    }
}
