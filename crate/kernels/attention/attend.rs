//! Attention of some queries to the cells that they see: tile by tile, with a softmax that keeps the largest score and
//! the sum so far (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018).

use std::array::from_fn;
use std::ops::Range;

use wide::f32x4;

use super::slope;
use super::unpack::unpack;
use crate::kernels::cell::{BLOCK, RowWords, cell};
use crate::kernels::cpu::math;
use crate::kernels::cpu::sized;
use crate::kernels::job::View;
use crate::kernels::table::choices::Kv;

/// Query heads that share each load of a key or a value.
pub const HEADS: usize = 4;
/// The most cells of a tile.
const TILE: usize = 64;
/// Vectors of a head that one round of the innermost loop multiplies.
const ROUND: usize = 4;

/// The cache of a KV head.
pub struct Cells<'a> {
    /// Rows, and tables of their sequences.
    pub batch: &'a [u32],
    /// Keys and values.
    pub caches: [View<'a>; 2],
    /// How they are held.
    pub kv: Kv,
    pub kv_heads: usize,
    pub kv_head: usize,
    pub dim: usize,
    /// softcap * tanh(score / softcap); 0: off.
    pub softcap: f32,
}

/// Up to [`HEADS`] queries of a token.
#[derive(Clone, Copy)]
pub struct Queries<'a> {
    /// [heads][dim]
    pub q: &'a [f32],
    /// The token's position.
    pub position: usize,
    /// How much the scores of each fall with each position between query and key; 0: not.
    pub slopes: [f32; HEADS],
}

/// Positions, block by block: the cells of each stretch are neighbours.
fn stretches(positions: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let blocks = positions.start / BLOCK as usize..positions.end.div_ceil(BLOCK as usize);
    blocks.map(move |block| {
        let start = block * BLOCK as usize;
        start.max(positions.start)..(start + BLOCK as usize).min(positions.end)
    })
}

/// The slopes of some heads.
pub fn slopes(alibi: f32, n_heads: usize, heads: Range<usize>) -> [f32; HEADS] {
    from_fn(|g| if g < heads.len() { slope(alibi, n_heads, heads.start + g) as f32 } else { 0.0 })
}

/// Keys and values of some cells as f32, [cells][dim].
pub struct Tile<'a> {
    /// The first of them.
    start: usize,
    keys: &'a [f32],
    values: &'a [f32],
}

impl Cells<'_> {
    /// How a stretch of positions is cut: at fixed ones, so that a row does not depend on those beside it.
    pub fn tiles(&self, positions: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let len = (4096 / self.dim).next_power_of_two().clamp(16, TILE);
        let tiles = positions.start / len..positions.end.div_ceil(len);
        tiles.map(move |t| (t * len).max(positions.start)..((t + 1) * len).min(positions.end))
    }

    /// Unpacks positions of the row's sequence.
    pub fn load<'s>(&self, row: RowWords, positions: Range<usize>, store: &'s mut Vec<f32>) -> Tile<'s> {
        let (start, len) = (positions.start, positions.len() * self.dim);
        let (keys, values) = sized(store, 2 * len).split_at_mut(len);
        let words = self.kv.words(self.dim);
        for stretch in stretches(positions) {
            let cell = cell(self.batch, row, stretch.start as u32) as usize;
            let to = (stretch.start - start) * self.dim..(stretch.end - start) * self.dim;
            for (cache, to) in self.caches.into_iter().zip([&mut keys[to.clone()], &mut values[to]]) {
                for (cell, to) in (cell..).zip(to.chunks_exact_mut(self.dim)) {
                    let at = (cell * self.kv_heads + self.kv_head) * words;
                    unpack(self.kv, cache.words(at..at + words), to);
                }
            }
        }
        Tile { start, keys, values }
    }

    /// Adds what some positions of the tile contribute to queries whose scores have been summed up in `state` and whose
    /// weighted values in `out`.
    pub fn attend(&self, tile: &Tile, positions: Range<usize>, q: Queries, state: &mut State, out: &mut [f32]) {
        let from = (positions.start - tile.start) * self.dim;
        let (keys, values) = (&tile.keys[from..], &tile.values[from..]);
        match q.q.len() / self.dim {
            1 => self.heads::<1, 4, 8>(keys, values, positions, q, state, out),
            2 => self.heads::<2, 4, 4>(keys, values, positions, q, state, out),
            3 => self.heads::<3, 2, 2>(keys, values, positions, q, state, out),
            _ => self.heads::<4, 2, 2>(keys, values, positions, q, state, out),
        }
    }

    /// G heads; C cells and D vectors are what the registers hold for them.
    fn heads<const G: usize, const C: usize, const D: usize>(
        &self,
        keys: &[f32],
        values: &[f32],
        positions: Range<usize>,
        queries: Queries,
        state: &mut State,
        out: &mut [f32],
    ) {
        let (n, count) = (self.dim / 4, positions.len());
        let (q, keys, values) = (queries.q.as_chunks().0, keys.as_chunks().0, values.as_chunks().0);
        // Lanes past the last cell weigh nothing.
        let mut scores = [[f32::NEG_INFINITY; TILE]; G];
        let mut cell = 0;
        while cell + C <= count {
            dots::<G, C>(q, &keys[cell * n..], n, cell, &mut scores);
            cell += C;
        }
        (cell..count).for_each(|cell| dots::<G, 1>(q, &keys[cell * n..], n, cell, &mut scores));

        let rescale = from_fn(|g| {
            let scores = &mut scores[g];
            if self.softcap > 0.0 {
                self.cap(scores, count);
            }
            if queries.slopes[g] != 0.0 {
                fall(&mut scores[..count], positions.start, queries.position, queries.slopes[g]);
            }
            weigh(&mut scores[..count.next_multiple_of(4)], state, g)
        });
        let first = std::mem::replace(&mut state.started, true).then_some(rescale);
        let out = out.as_chunks_mut().0;
        let mut d = 0;
        while d + D <= n {
            add::<G, D>(&scores, first, &values[..count * n], n, d, out);
            d += D;
        }
        (d..n).for_each(|d| add::<G, 1>(&scores, first, &values[..count * n], n, d, out));
    }

    /// Scores are capped.
    #[inline(never)]
    fn cap(&self, scores: &mut [f32], count: usize) {
        let scores = scores[..count.next_multiple_of(4)].as_chunks_mut::<4>().0;
        let (cap, inverse) = (f32x4::splat(self.softcap), f32x4::splat(1.0 / self.softcap));
        // Not of the lanes past the last cell, which are endless: they would weigh something.
        for s in scores.iter_mut() {
            let v = f32x4::new(*s);
            let capped = cap * (v * inverse).tanh();
            *s = v.simd_eq(f32x4::splat(f32::NEG_INFINITY)).select(v, capped).to_array();
        }
    }
}

/// Scores of cells from position `start` on fall with their distance from the query's.
#[inline(never)]
fn fall(scores: &mut [f32], start: usize, position: usize, slope: f32) {
    for (s, cell) in scores.iter_mut().zip(start..) {
        *s -= slope * cell.abs_diff(position) as f32;
    }
}

/// Scores become weights; gives what the sums so far are to be multiplied by.
#[inline(never)]
fn weigh(scores: &mut [f32], state: &mut State, g: usize) -> f32 {
    let scores = scores.as_chunks_mut::<4>().0;
    let best = scores.iter().fold(f32x4::splat(f32::NEG_INFINITY), |best, s| best.fast_max(f32x4::new(*s)));
    let top = state.top[g].max(math::max(best));
    let mut total = f32x4::ZERO;
    for s in scores.iter_mut() {
        let weight = math::exp(f32x4::new(*s) - f32x4::splat(top));
        total += weight;
        *s = weight.to_array();
    }
    let rescale = if state.started { math::exp(f32x4::splat(state.top[g] - top)).to_array()[0] } else { 0.0 };
    state.top[g] = top;
    state.total[g] = state.total[g] * rescale + math::sum(total);
    rescale
}

/// What is known of the queries' scores.
#[derive(Clone, Copy)]
pub struct State {
    pub top: [f32; HEADS],
    pub total: [f32; HEADS],
    started: bool,
}

impl Default for State {
    fn default() -> Self {
        State { top: [f32::NEG_INFINITY; HEADS], total: [0.0; HEADS], started: false }
    }
}

impl State {
    /// Divides the weighted values by the sums of weights.
    pub fn finish(&self, out: &mut [f32], dim: usize) {
        for (out, total) in out.chunks_exact_mut(dim).zip(self.total) {
            let inverse = 1.0 / total;
            out.iter_mut().for_each(|v| *v *= inverse);
        }
    }
}

/// How query heads are spread over as few groups of at most [`HEADS`] as hold them.
pub fn groups(heads: usize) -> impl Iterator<Item = Range<usize>> {
    let each = heads.div_ceil(heads.div_ceil(HEADS));
    (0..heads).step_by(each).map(move |from| from..(from + each).min(heads))
}

/// The scores of C cells.
#[inline(always)]
fn dots<const G: usize, const C: usize>(
    q: &[[f32; 4]],
    keys: &[[f32; 4]],
    n: usize,
    cell: usize,
    scores: &mut [[f32; TILE]; G],
) {
    let (q, keys) = (from_fn(|g| &q[g * n..][..n]), from_fn(|c| &keys[c * n..][..n]));
    let mut sums = [[f32x4::ZERO; C]; G];
    let rounds = n / ROUND;
    type Rounds<'a, const N: usize> = [&'a [[[f32; 4]; ROUND]]; N];
    let fours: (Rounds<G>, Rounds<C>) =
        (q.map(|q: &[[f32; 4]]| &q.as_chunks().0[..rounds]), keys.map(|k: &[[f32; 4]]| &k.as_chunks().0[..rounds]));
    for i in 0..rounds {
        for j in 0..ROUND {
            multiply(fours.0.map(|q| q[i][j]), fours.1.map(|k| k[i][j]), &mut sums);
        }
    }
    for i in rounds * ROUND..n {
        multiply(q.map(|q| q[i]), keys.map(|k| k[i]), &mut sums);
    }
    for g in 0..G {
        for c in 0..C {
            scores[g][cell + c] = math::sum(sums[g][c]);
        }
    }
}

#[inline(always)]
fn multiply<const G: usize, const C: usize>(q: [[f32; 4]; G], k: [[f32; 4]; C], sums: &mut [[f32x4; C]; G]) {
    let k = k.map(f32x4::new);
    for g in 0..G {
        let q = f32x4::new(q[g]);
        for c in 0..C {
            sums[g][c] = q.mul_add(k[c], sums[g][c]);
        }
    }
}

/// Weighted values of D vectors from vector d on, added to what is there times `rescale`, if anything is.
#[inline(always)]
fn add<const G: usize, const D: usize>(
    weights: &[[f32; TILE]; G],
    rescale: Option<[f32; G]>,
    values: &[[f32; 4]],
    n: usize,
    d: usize,
    out: &mut [[f32; 4]],
) {
    let mut sums = [[f32x4::ZERO; D]; G];
    if let Some(rescale) = rescale {
        for g in 0..G {
            sums[g] = from_fn(|i| f32x4::new(out[g * n + d + i]) * f32x4::splat(rescale[g]));
        }
    }
    for (cell, values) in values.chunks_exact(n).enumerate().take(TILE) {
        let values: [f32x4; D] = from_fn(|i| f32x4::new(values[d + i]));
        for g in 0..G {
            let weight = f32x4::splat(weights[g][cell]);
            for i in 0..D {
                sums[g][i] = values[i].mul_add(weight, sums[g][i]);
            }
        }
    }
    for g in 0..G {
        for i in 0..D {
            out[g * n + d + i] = sums[g][i].to_array();
        }
    }
}
