//! `shaders/attention/decode_attention.wgsl` on the CPU: a piece is a stretch of a KV head's cells for a row.

use std::ops::Range;

use super::attend::{Cells, State, groups};
use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::sized;
use crate::kernels::params::DecodeAttention;
use crate::kernels::rope::simd::head::{Rotation, store};

pub static KERNEL: Kernel = Kernel { pieces, run };

/// The largest score over no cells at all.
const LOWEST: f32 = -3.0e38;

/// The grid's second number is rows times stretches.
fn pieces(job: &Job) -> usize {
    job.grid[1] as usize * job.params::<DecodeAttention>().n_kv_heads as usize
}

/// read: batch, qkv, q_norm, k_norm, rope table; write: k_cache, v_cache, out.
fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let p: DecodeAttention = job.params();
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (per_kv, splits) = (heads / kv_heads, p.splits as usize);
    let half = job.choice(1) != "f32";
    let table = bytemuck::cast_slice(job.all(4));
    let rotation = Rotation { table, half: p.rope_half as usize, neox: p.neox != 0, eps: p.eps };
    let norm = |binding| (p.has_norm != 0).then(|| job.floats(binding, 0..dim));
    let Scratch { angles, x, tile, .. } = scratch;
    for piece in pieces {
        let (kv_head, split, r) = (piece % kv_heads, piece / kv_heads % splits, piece / kv_heads / splits);
        let row = job.all(0).as_chunks::<4>().0[r];
        let position = row[1] as usize;
        let end = position + 1;
        let begin = if p.window == 0 { 0 } else { end.saturating_sub(p.window as usize) };
        let share = (end - begin).div_ceil(splits);
        let from = (begin + split * share).min(end);
        let seen = from..(from + share).min(end);

        let cells = Cells { job, caches: [5, 6], half, kv_heads, kv_head, dim, softcap: p.softcap };
        let angles = rotation.angles(position, angles);
        let (q, rest) = sized(x, (2 * per_kv + 1) * dim).split_at_mut(per_kv * dim);
        let (k, out) = rest.split_at_mut(dim);
        let head = |h: usize, count: usize| {
            let at = (r * (heads + 2 * kv_heads) + h) * dim;
            job.floats(1, at..at + count * dim)
        };
        // The only stretch that reads the row's own cell writes it.
        if seen.contains(&position) {
            let words = cells.words(row, position);
            k.copy_from_slice(head(heads + kv_head, 1));
            rotation.rotate(k, norm(3), &angles);
            store(job.words_mut(5, words.clone()), k, half);
            store(job.words_mut(6, words), head(heads + kv_heads + kv_head, 1), half);
        }
        q.copy_from_slice(head(kv_head * per_kv, per_kv));
        for q in q.chunks_exact_mut(dim) {
            rotation.rotate(q, norm(2), &angles);
            q.iter_mut().for_each(|v| *v *= p.attn_scale);
        }
        if seen.is_empty() {
            out.fill(0.0);
        }
        for group in groups(per_kv) {
            let elements = group.start * dim..group.end * dim;
            let (q, out) = (&q[elements.clone()], &mut out[elements]);
            let mut state = State::default();
            for positions in cells.tiles(seen.clone()) {
                let loaded = cells.load(row, positions.clone(), tile);
                cells.attend(&loaded, positions, q, &mut state, out);
            }
            if splits == 1 {
                state.finish(out, dim);
            }
            for (g, out) in out.chunks_exact(dim).enumerate() {
                let at = r * heads + kv_head * per_kv + group.start + g;
                if splits == 1 {
                    job.floats_mut(7, at * dim..(at + 1) * dim).copy_from_slice(out);
                } else {
                    let to =
                        job.floats_mut(7, (at * splits + split) * (dim + 4)..(at * splits + split + 1) * (dim + 4));
                    to[..dim].copy_from_slice(out);
                    to[dim..].copy_from_slice(&[state.top[g].max(LOWEST), state.total[g], 0.0, 0.0]);
                }
            }
        }
    }
}
