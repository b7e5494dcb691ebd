//! The mirrors of attention: softmax over all visible cells at once.

use std::ops::Range;

use wide::f64x4;

use super::{many_rows, single_rows, slope};
use crate::kernels::cell::{RowWords, cell, row, row_of};
use crate::kernels::cpu;
use crate::kernels::face::OnCpu;
use crate::kernels::job::{Job, View};
use crate::kernels::rope::{Rotation, head_norm, load, query_scale, store, turn};
use crate::kernels::table::choices::{Kv, Merge};
use crate::kernels::table::{attention, attention_rows, attention_tile, decode_attention};

/// The largest score over no cells at all.
const LOWEST: f64 = -3.0e38;

impl OnCpu for attention::Variant {
    const SIMD: Option<&'static cpu::Kernel> = Some(&many_rows::KERNEL);

    fn mirror(job: &Job) {
        many(job, job.variant::<Self>().kv);
    }
}

impl OnCpu for attention_rows::Variant {
    fn mirror(job: &Job) {
        many(job, job.variant::<Self>().kv);
    }
}

impl OnCpu for attention_tile::Variant {
    fn mirror(job: &Job) {
        many(job, job.variant::<Self>().kv);
    }
}

impl OnCpu for decode_attention::Variant {
    const SIMD: Option<&'static cpu::Kernel> = Some(&single_rows::KERNEL);

    fn mirror(job: &Job) {
        single(job, job.variant::<Self>());
    }
}

/// Rows whose keys and values are in the cache.
fn many(job: &Job, kv: Kv) {
    let (p, b) = (job.params::<attention::Variant>(), job.bind::<attention::Variant>());
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (batch, qkv, out) = (b.batch.all(), b.qkv.all_floats(), b.out.all_floats_mut());
    let cells = Cells { batch, k_cache: b.k_cache, v_cache: b.v_cache, kv, kv_heads, dim, softcap: p.softcap as f64 };
    for r in 0..p.rows as usize {
        let row = row_of(row(batch, r), p.tables);
        let position = row[1] as usize;
        let begin = if p.window == 0 { 0 } else { (position + 1).saturating_sub(p.window as usize) };
        let next = position + 1;
        let end = next.max(row[3] as usize).min(next.saturating_add(p.ahead as usize));
        for h in 0..heads {
            let q = &qkv[r * p.q_stride4 as usize * 4 + h * dim..][..dim];
            let fall = slope(p.alibi, heads, h);
            let Attended { values, total, .. } = cells.attend(row, q, fall, h / (heads / kv_heads), begin..end);
            for (to, y) in out[(r * heads + h) * dim..].iter_mut().zip(values) {
                *to = (y / total) as f32;
            }
        }
    }
}

/// Rows of their own: what `rope_kv` does, and attention.
fn single(job: &Job, variant: decode_attention::Variant) {
    let kv = variant.kv;
    let (p, b) = (job.params::<decode_attention::Variant>(), job.bind::<decode_attention::Variant>());
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (batch, qkv, table, out) = (b.batch.all(), b.qkv.all_floats(), b.rope.all_floats(), b.out.all_floats_mut());
    let [q_norm, k_norm] = [b.q_norm, b.k_norm].map(|weight| head_norm(weight, p.has_norm, dim, p.eps));
    // What is merged inside leaves no parts, and nothing where they were.
    let splits = if variant.merge == Merge::Inside { 1 } else { p.splits as usize };
    for r in 0..(job.grid[1] / p.splits) as usize {
        let row = row_of(row(batch, r), p.tables);
        let position = row[1] as usize;
        let scale = query_scale(p.attn_scale, p.stretch, p.stretch_every, row[1]);
        let rotation = Rotation::<f64x4>::at(position, table, p.rope_half as usize, p.neox != 0);
        let head = |h: usize| qkv[(r * (heads + 2 * kv_heads) + h) * dim..][..dim].to_vec();
        let cell = cell(batch, row, row[1]) as usize;
        for kv_head in 0..kv_heads {
            let mut k = head(heads + kv_head);
            rotation.head(&mut k, k_norm);
            if kv.turned() {
                turn(&mut k);
            }
            store(b.k_cache, cell * kv_heads + kv_head, &k, dim, kv);
            store(b.v_cache, cell * kv_heads + kv_head, &head(heads + kv_heads + kv_head), dim, kv);
        }
        let cells =
            Cells { batch, k_cache: b.k_cache, v_cache: b.v_cache, kv, kv_heads, dim, softcap: p.softcap as f64 };
        let end = position + 1;
        let begin = if p.window == 0 { 0 } else { end.saturating_sub(p.window as usize) };
        let share = (end - begin).div_ceil(splits);
        for h in 0..heads {
            let mut q = head(h);
            rotation.head(&mut q, q_norm);
            if kv.turned() {
                turn(&mut q);
            }
            q.iter_mut().for_each(|v| *v *= scale);
            let fall = slope(p.alibi, heads, h);
            for split in 0..splits {
                let from = (begin + split * share).min(end);
                let seen = from..(from + share).min(end);
                let Attended { values, top, total } = cells.attend(row, &q, fall, h / (heads / kv_heads), seen);
                let at = r * heads + h;
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

/// The cache of a layer.
struct Cells<'a> {
    batch: &'a [u32],
    k_cache: View<'a>,
    v_cache: View<'a>,
    kv: Kv,
    kv_heads: usize,
    dim: usize,
    softcap: f64,
}

/// exp(score - top) over some cells, and what it weights.
struct Attended {
    values: Vec<f64>,
    top: f64,
    total: f64,
}

impl Cells<'_> {
    /// A row's query, whose scores fall by `fall` with each position, against its KV head at some of its sequence.
    fn attend(&self, row: RowWords, q: &[f32], fall: f64, kv_head: usize, positions: Range<usize>) -> Attended {
        let head = |cache: View, position: usize| {
            let index = cell(self.batch, row, position as u32) as usize * self.kv_heads + kv_head;
            load(cache, index, self.dim, self.kv)
        };
        let score = |key: Vec<f32>| q.iter().zip(key).map(|(&q, k)| q as f64 * k as f64).sum::<f64>();
        let mut weights: Vec<f64> = positions.clone().map(|c| score(head(self.k_cache, c))).collect();
        if self.softcap > 0.0 {
            weights.iter_mut().for_each(|s| *s = self.softcap * (*s / self.softcap).tanh());
        }
        weights.iter_mut().zip(positions.clone()).for_each(|(s, c)| *s -= fall * f64::from(row[1].abs_diff(c as u32)));
        let top = weights.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        weights.iter_mut().for_each(|s| *s = (*s - top).exp());
        let mut values = vec![0.0; self.dim];
        for (weight, c) in weights.iter().zip(positions) {
            values.iter_mut().zip(head(self.v_cache, c)).for_each(|(sum, v)| *sum += weight * v as f64);
        }
        Attended { values, top, total: weights.iter().sum() }
    }
}
