//! `shaders/attention/attention.wgsl` on the CPU: a piece is some rows of a KV head, which share its unpacked cells.

use std::ops::Range;

use super::attend::{Cells, Queries, State, groups, slopes};
use crate::kernels::cell::{self, RowWords};
use crate::kernels::cpu::{Kernel, Scratch};
use crate::kernels::job::Job;
use crate::kernels::table::attention::Variant;

pub static KERNEL: Kernel = Kernel { pieces, run };

/// Rows of a piece.
const ROWS: usize = 16;

fn pieces(job: &Job) -> usize {
    let p = job.params::<Variant>();
    (p.rows as usize).div_ceil(ROWS) * p.n_kv_heads as usize
}

/// A row, and the positions that it sees.
#[derive(Clone, Copy, Default)]
struct Row {
    index: usize,
    words: RowWords,
    begin: usize,
    end: usize,
}

impl Row {
    fn sees(&self, positions: &Range<usize>) -> Range<usize> {
        self.begin.max(positions.start)..self.end.min(positions.end)
    }
}

/// What a thread keeps: keys and values of some cells.
#[derive(Default)]
struct Store {
    tile: Vec<f32>,
}

fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim4 as usize * 4);
    let (per_kv, batch) = (heads / kv_heads, b.batch.all());
    let store: &mut Store = scratch.of();
    let kv = job.variant::<Variant>().kv;
    for piece in pieces {
        let kv_head = piece % kv_heads;
        let first = piece / kv_heads * ROWS;
        let count = ROWS.min(p.rows as usize - first);
        let mut rows = [Row::default(); ROWS];
        for (i, row) in rows[..count].iter_mut().enumerate() {
            let words = cell::row_of(cell::row(batch, first + i), p.tables);
            let next = words[1] as usize + 1;
            let begin = if p.window == 0 { 0 } else { next.saturating_sub(p.window as usize) };
            let end = next.max(words[3] as usize).min(next.saturating_add(p.ahead as usize));
            *row = Row { index: first + i, words, begin, end };
        }
        let cells = Cells { batch, caches: [b.k_cache, b.v_cache], kv, kv_heads, kv_head, dim, softcap: p.softcap };
        // Rows of one sequence after the other.
        for rows in rows[..count].chunk_by(|a, b| a.words[2] == b.words[2]) {
            for group in groups(per_kv) {
                let head = kv_head * per_kv + group.start;
                let q = |row: &Row| row.index * p.q_stride4 as usize * 4 + head * dim;
                let out = |row: &Row| (row.index * heads + head) * dim;
                let len = group.len() * dim;
                let slopes = slopes(p.alibi, heads, head..head + group.len());
                let mut states = [State::default(); ROWS];
                let begin = rows.iter().map(|row| row.begin).min().unwrap_or(0);
                let end = rows.iter().map(|row| row.end).max().unwrap_or(0);
                for tile in cells.tiles(begin..end) {
                    let seen = || rows.iter().map(|row| row.sees(&tile)).filter(|seen| !seen.is_empty());
                    let Some(from) = seen().map(|seen| seen.start).min() else { continue };
                    let to = seen().map(|seen| seen.end).max().unwrap_or(from);
                    let loaded = cells.load(rows[0].words, from..to, &mut store.tile);
                    for (row, state) in rows.iter().zip(&mut states) {
                        let seen = row.sees(&tile);
                        if !seen.is_empty() {
                            let (q, out) = (q(row), out(row));
                            let q = Queries { q: b.qkv.floats(q..q + len), position: row.words[1] as usize, slopes };
                            cells.attend(&loaded, seen, q, state, b.out.floats_mut(out..out + len));
                        }
                    }
                }
                for (row, state) in rows.iter().zip(&states) {
                    state.finish(b.out.floats_mut(out(row)..out(row) + len), dim);
                }
            }
        }
    }
}
