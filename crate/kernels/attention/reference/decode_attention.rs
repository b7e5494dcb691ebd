//! Mirror of `shaders/attention/decode_attention.wgsl`: the mirrors of `rope_kv` and `attention`, one after the other.

use super::attention::{Attended, Cells};
use crate::kernels::cell::cell;
use crate::kernels::params::{DecodeAttention, RopeKv};
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;
use crate::kernels::rope::reference::rope_kv::{norm, rotate, store};

/// The largest score over no cells at all.
const LOWEST: f64 = -3.0e38;

/// read: batch, qkv, q_norm, k_norm, rope table; write: k_cache, v_cache, out.
pub fn run(mut args: Args) {
    let p: DecodeAttention = args.params();
    let half = args.choice(1) != "f32";
    let (batch, qkv, table) = (args.read[0], floats(args.read[1]), floats(args.read[4]));
    let norms = [floats(args.read[2]), floats(args.read[3])];
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let rotation = RopeKv {
        n_heads: p.n_heads,
        n_kv_heads: p.n_kv_heads,
        head_dim: dim as u32,
        rope_half: p.rope_half,
        neox: p.neox,
        has_norm: p.has_norm,
        eps: p.eps,
        attn_scale: p.attn_scale,
        ..RopeKv::default()
    };
    let splits = p.splits as usize;
    let [k_cache, v_cache, out] = args.write.as_mut_slice() else { unreachable!("three written buffers") };
    for r in 0..args.grid[1] as usize / splits {
        let row = batch.as_chunks::<4>().0[r];
        let position = row[1];
        let head = |h: usize| qkv[(r * (heads + 2 * kv_heads) + h) * dim..][..dim].to_vec();
        let cell = cell(row, position) as usize;
        for kv_head in 0..kv_heads {
            let mut k = head(heads + kv_head);
            norm(&mut k, norms[1], &rotation);
            rotate(&mut k, table, position, &rotation);
            store(k_cache, (cell * kv_heads + kv_head) * dim, &k, half);
            store(v_cache, (cell * kv_heads + kv_head) * dim, &head(heads + kv_heads + kv_head), half);
        }
        let cells = Cells { k_cache, v_cache, half, kv_heads, dim, softcap: p.softcap as f64 };
        let end = position as usize + 1;
        let begin = if p.window == 0 { 0 } else { end.saturating_sub(p.window as usize) };
        let share = (end - begin).div_ceil(splits);
        for h in 0..heads {
            let mut q = head(h);
            norm(&mut q, norms[0], &rotation);
            rotate(&mut q, table, position, &rotation);
            q.iter_mut().for_each(|v| *v *= p.attn_scale);
            for split in 0..splits {
                let from = (begin + split * share).min(end);
                let seen = from..(from + share).min(end);
                let Attended { values, top, total } = cells.attend(&q, h / (heads / kv_heads), row, seen);
                let at = r * heads + h;
                let out = floats_mut(out);
                if splits == 1 {
                    let values = values.iter().map(|y| (y / total) as f32);
                    out[at * dim..].iter_mut().zip(values).for_each(|(to, y)| *to = y);
                } else {
                    let tail = [top.max(LOWEST), total, 0.0, 0.0];
                    let values = values.iter().chain(&tail).map(|&y| y as f32);
                    out[(at * splits + split) * (dim + 4)..].iter_mut().zip(values).for_each(|(to, y)| *to = y);
                }
            }
        }
    }
}
