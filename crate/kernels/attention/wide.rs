//! `shaders/attention/attention_wide.wgsl` on the CPU: a piece is some query heads of a KV head in a row, which share
//! its unpacked cells.

use std::ops::Range;

use super::attend::groups;
use super::slope;
use super::unpack::unpack;
use crate::kernels::cell;
use crate::kernels::job::{Job, View};
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::attention_wide::{Params, Variant};
use crate::kernels::table::choices::Kv;

/// Pieces of a row.
fn pieces(p: &Params) -> usize {
    p.n_kv_heads as usize * groups((p.n_heads / p.n_kv_heads) as usize).count()
}

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize * pieces(&job.params::<Self>())
    }

    fn row<L: Lanes>(job: &Job, index: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (r, piece) = (index / pieces(&p), index % pieces(&p));
        let (n_heads, kv_heads) = (p.n_heads as usize, p.n_kv_heads as usize);
        let (kv_head, per_kv) = (piece % kv_heads, n_heads / kv_heads);
        let Some(group) = groups(per_kv).nth(piece / kv_heads) else { return };
        let heads = kv_head * per_kv + group.start..kv_head * per_kv + group.end;
        let [k_dim, v_dim, v_stride] = [p.k_dim4, p.v_dim4, p.v_stride4].map(|fours| fours as usize * 4);
        let batch = b.batch.all();
        let row = cell::row_of(cell::row(batch, r), p.tables);
        let at = |position: usize| cell::cell(batch, row, position as u32) as usize * kv_heads + kv_head;
        let kv = job.variant::<Self>().kv;
        let seen = seen(&p, row);
        let q = |h: usize| {
            let from = r * p.q_stride4 as usize * 4 + h * k_dim;
            b.q.floats(from..from + k_dim)
        };

        let mut unpacked = vec![0.0; k_dim.max(v_dim)];
        let mut weights = vec![Vec::with_capacity(seen.len()); heads.len()];
        for position in seen.clone() {
            let key = &mut unpacked[..k_dim];
            read(b.k_cache, at(position), k_dim, key, kv);
            for (h, weights) in heads.clone().zip(&mut weights) {
                let fall = slope(p.alibi, n_heads, h) * (row[1] as usize).abs_diff(position) as f64;
                weights.push(capped(dot::<L>(q(h), key), p.softcap) - L::Number::of64(fall));
            }
        }
        let totals: Vec<_> = heads
            .clone()
            .zip(&mut weights)
            .map(|(h, weights)| {
                let sink = (p.has_sinks != 0).then(|| L::Number::of(b.sinks.floats(h..h + 1)[0]));
                weigh(weights, sink)
            })
            .collect();
        let mut sums = vec![L::splat(L::Number::default()); heads.len() * v_dim / 4];
        for (i, position) in seen.enumerate() {
            let value = &mut unpacked[..v_dim];
            read(b.v_cache, at(position), v_stride, value, kv);
            for (weights, sums) in weights.iter().zip(sums.chunks_exact_mut(v_dim / 4)) {
                let weight = L::splat(weights[i]);
                let both = sums.iter_mut().zip(value.as_chunks::<4>().0);
                both.for_each(|(sum, value)| *sum = *sum + weight * L::load(value));
            }
        }
        for ((h, total), sums) in heads.zip(totals).zip(sums.chunks_exact(v_dim / 4)) {
            let to = (r * n_heads + h) * v_dim;
            let out = b.out.floats_mut(to..to + v_dim).as_chunks_mut::<4>().0;
            out.iter_mut().zip(sums).for_each(|(to, sum)| *to = (*sum / L::splat(total)).store());
        }
    }
}

/// The positions that a row sees.
fn seen(p: &Params, row: [u32; 4]) -> Range<usize> {
    let next = row[1] + 1;
    let begin = if p.window == 0 { 0 } else { next.saturating_sub(p.window) };
    let end = next.max(row[3]).min(next.saturating_add(p.ahead));
    begin as usize..end as usize
}

/// The first numbers of a head, of which a cache has one each `each` numbers.
fn read(cache: View, index: usize, each: usize, to: &mut [f32], kv: Kv) {
    let from = index * kv.words(each);
    unpack(kv, cache.words(from..from + kv.words(to.len())), to);
}

fn dot<L: Lanes>(q: &[f32], key: &[f32]) -> L::Number {
    let zero = L::splat(L::Number::default());
    let both = q.as_chunks::<4>().0.iter().zip(key.as_chunks::<4>().0);
    both.fold(zero, |sum, (q, key)| sum + L::load(q) * L::load(key)).sum()
}

/// cap · tanh(score / cap), with tanh(x) = 1 - 2 / (exp(2x) + 1).
fn capped<N: Number>(score: N, cap: f32) -> N {
    if cap == 0.0 {
        return score;
    }
    let (cap, one, two) = (N::of(cap), N::of(1.0), N::of(2.0));
    cap * (one - two / ((two * score / cap).exp() + one))
}

/// Scores become weights; gives their sum, with a sink's.
fn weigh<N: Number>(scores: &mut [N], sink: Option<N>) -> N {
    let larger = |top: N, score: N| if score > top { score } else { top };
    let top = scores.iter().copied().chain(sink).reduce(larger).unwrap_or_default();
    scores.iter_mut().for_each(|score| *score = (*score - top).exp());
    let share = sink.map_or(N::default(), |sink| (sink - top).exp());
    scores.iter().fold(share, |sum, &weight| sum + weight)
}
