//! Mirror of `shaders/attention.wgsl` and `shaders/attention_tile.wgsl`: softmax over all visible cells at once.

use super::{Args, floats, floats_mut, rope_kv::load};
use crate::params::Attention;

/// read: batch, qkv, k_cache, v_cache; write: out.
pub fn run(mut args: Args) {
    let p: Attention = args.params();
    let half = args.choice(1) != "f32";
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (batch, qkv, k_cache, v_cache) = (args.read[0], floats(args.read[1]), args.read[2], args.read[3]);
    let out = floats_mut(args.write[0]);
    for r in 0..p.rows as usize {
        let (position, first_cell) = (batch[4 * r + 1] as usize, batch[4 * r + 2] as usize);
        let begin = if p.window == 0 { 0 } else { (position + 1).saturating_sub(p.window as usize) };
        for h in 0..heads {
            let q = &qkv[r * p.q_stride4 as usize * 4 + h * dim..][..dim];
            let cell = |c: usize| ((first_cell + c) * kv_heads + h / (heads / kv_heads)) * dim;
            let mut scores: Vec<f64> = (begin..=position)
                .map(|c| (0..dim).map(|i| q[i] as f64 * load(k_cache, cell(c) + i, half) as f64).sum())
                .collect();
            if p.softcap > 0.0 {
                let cap = p.softcap as f64;
                scores.iter_mut().for_each(|s| *s = cap * (*s / cap).tanh());
            }
            let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            scores.iter_mut().for_each(|s| *s = (*s - top).exp());
            let total: f64 = scores.iter().sum();
            for i in 0..dim {
                let sum: f64 =
                    scores.iter().zip(begin..).map(|(s, c)| s * load(v_cache, cell(c) + i, half) as f64).sum();
                out[(r * heads + h) * dim + i] = (sum / total) as f32;
            }
        }
    }
}
