//! Mirror of `shaders/attention/attention.wgsl`, `shaders/attention/attention_rows.wgsl` and `shaders/attention/attention_tile.wgsl`: softmax over all visible cells at once.

use crate::kernels::params::Attention;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;
use crate::kernels::rope::reference::rope_kv::load;

/// read: batch, qkv, k_cache, v_cache; write: out.
pub fn run(mut args: Args) {
    let p: Attention = args.params();
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (batch, qkv) = (args.read[0], floats(args.read[1]));
    let cells = Cells {
        k_cache: args.read[2],
        v_cache: args.read[3],
        half: args.choice(1) != "f32",
        kv_heads,
        dim,
        softcap: p.softcap as f64,
    };
    let out = floats_mut(args.write[0]);
    for r in 0..p.rows as usize {
        let (position, first_cell) = (batch[4 * r + 1] as usize, batch[4 * r + 2] as usize);
        let begin = if p.window == 0 { 0 } else { (position + 1).saturating_sub(p.window as usize) };
        let end = if p.ahead == 0 { position + 1 } else { (position + 1).max(batch[4 * r + 3] as usize) };
        for h in 0..heads {
            let q = &qkv[r * p.q_stride4 as usize * 4 + h * dim..][..dim];
            let seen = first_cell + begin..first_cell + end;
            let Attended { values, total, .. } = cells.attend(q, h / (heads / kv_heads), seen);
            for (to, y) in out[(r * heads + h) * dim..].iter_mut().zip(values) {
                *to = (y / total) as f32;
            }
        }
    }
}

/// The cache of a layer.
pub(crate) struct Cells<'a> {
    pub k_cache: &'a [u32],
    pub v_cache: &'a [u32],
    /// Pairs of f16, else f32.
    pub half: bool,
    pub kv_heads: usize,
    pub dim: usize,
    pub softcap: f64,
}

/// exp(score - top) over some cells, and what it weights.
pub(crate) struct Attended {
    pub values: Vec<f64>,
    pub top: f64,
    pub total: f64,
}

impl Cells<'_> {
    /// One query against some cells of its KV head.
    pub(crate) fn attend(&self, q: &[f32], kv_head: usize, cells: std::ops::Range<usize>) -> Attended {
        let at = |c: usize| (c * self.kv_heads + kv_head) * self.dim;
        let key = |c: usize, i: usize| load(self.k_cache, at(c) + i, self.half) as f64;
        let mut weights: Vec<f64> =
            cells.clone().map(|c| q.iter().enumerate().map(|(i, &q)| q as f64 * key(c, i)).sum()).collect();
        if self.softcap > 0.0 {
            weights.iter_mut().for_each(|s| *s = self.softcap * (*s / self.softcap).tanh());
        }
        let top = weights.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        weights.iter_mut().for_each(|s| *s = (*s - top).exp());
        let value = |i: usize| {
            let each = weights.iter().zip(cells.clone());
            each.map(|(w, c)| w * load(self.v_cache, at(c) + i, self.half) as f64).sum()
        };
        Attended { values: (0..self.dim).map(value).collect(), top, total: weights.iter().sum() }
    }
}
