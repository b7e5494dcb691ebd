//! Mirror of `shaders/rope/rope_kv.wgsl` and `shaders/rope/rope_kv_rows.wgsl`.

use crate::kernels::cell::cell;
use crate::kernels::params::RopeKv;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;
use half::f16;

/// read: batch, q_norm, k_norm, rope table; write: qkv, k_cache, v_cache.
pub fn run(mut args: Args) {
    let p: RopeKv = args.params();
    let f16_cache = !args.variant.ends_with(".f32");
    let (batch, rope) = (args.read[0], floats(args.read[3]));
    let norms = [floats(args.read[1]), floats(args.read[2])];
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim as usize);
    let [qkv, k_cache, v_cache] = args.write.as_mut_slice() else { unreachable!("three written buffers") };
    let qkv = floats_mut(qkv);
    for r in 0..p.rows as usize {
        let row = batch.as_chunks::<4>().0[r];
        let position = row[1];
        for h in 0..heads + 2 * kv_heads {
            let from = (r * (heads + 2 * kv_heads) + h) * dim;
            // Only queries go back: keys and values in qkv stay as they were.
            let mut head = qkv[from..from + dim].to_vec();
            let is_v = h >= heads + kv_heads;
            let is_q = h < heads;
            if !is_v {
                norm(&mut head, norms[if is_q { 0 } else { 1 }], &p);
                rotate(&mut head, rope, position, &p);
            }
            if is_q {
                let scaled = head.iter().map(|v| v * p.attn_scale);
                qkv[from..].iter_mut().zip(scaled).for_each(|(to, v)| *to = v);
            } else {
                let cache = if is_v { &mut **v_cache } else { &mut **k_cache };
                let cell = cell(row, position) as usize;
                store(cache, (cell * kv_heads + (h - heads) % kv_heads) * dim, &head, f16_cache);
            }
        }
    }
}

/// RMSNorm of one head, where the model has one.
pub(crate) fn norm(head: &mut [f32], weight: &[f32], p: &RopeKv) {
    if p.has_norm != 0 {
        let mean = head.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / head.len() as f64;
        let scale = (1.0 / (mean + p.eps as f64).sqrt()) as f32;
        head.iter_mut().zip(weight).for_each(|(v, w)| *v *= scale * w);
    }
}

/// RoPE on one head, with the table's coarse and fine angles added.
pub(crate) fn rotate(head: &mut [f32], rope: &[f32], position: u32, p: &RopeKv) {
    let half = p.rope_half as usize;
    for i in 0..half {
        let (a, b) = if p.neox != 0 { (i, i + half) } else { (2 * i, 2 * i + 1) };
        let at = |step: usize| (rope[2 * (step * half + i)], rope[2 * (step * half + i) + 1]);
        let (coarse_cos, coarse_sin) = at(256 + position as usize / 256);
        let (fine_cos, fine_sin) = at(position as usize % 256);
        let cos = coarse_cos * fine_cos - coarse_sin * fine_sin;
        let sin = coarse_sin * fine_cos + coarse_cos * fine_sin;
        let (u, v) = (head[a], head[b]);
        head[a] = u * cos - v * sin;
        head[b] = u * sin + v * cos;
    }
}

/// Writes a head to element `at` of a cache, as f32 or as pairs of f16.
pub(crate) fn store(cache: &mut [u32], at: usize, head: &[f32], half: bool) {
    // What f16 cannot hold becomes its largest number.
    let bits = |v: f32| f16::from_f32(v.clamp(-65504.0, 65504.0)).to_bits() as u32;
    if half {
        for (word, pair) in cache[at / 2..].iter_mut().zip(head.chunks_exact(2)) {
            *word = bits(pair[0]) | bits(pair[1]) << 16;
        }
    } else {
        floats_mut(cache)[at..at + head.len()].copy_from_slice(head);
    }
}

/// Element `at` of a cache.
pub(crate) fn load(cache: &[u32], at: usize, half: bool) -> f32 {
    if half { f16::from_bits((cache[at / 2] >> (16 * (at % 2))) as u16).to_f32() } else { f32::from_bits(cache[at]) }
}
