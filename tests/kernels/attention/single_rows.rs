//! Attention of single rows, whole and in parts, and the parts put together: apart, and in the same dispatch.

use std::ops::Range;

use sotto::kernels::table::choices::{Kv, Lanes, Merge};
use sotto::kernels::table::{attention_combine, decode_attention};

use super::{CEILING, TABLES, batch_behind, spread};
use crate::F32;
use crate::case::{Case, Data, Runs, bits};
use crate::random::{Random, cache, poison, seen, takes};

/// A new key that f32 roundings let fall to the other side of an f16 changes its cell's weight.
const F16_CACHE: f64 = 1e-8;
/// And to the other side of a step.
const Q8_CACHE: f64 = 1e-5;
const Q4_CACHE: f64 = 1e-3;

pub struct Shape {
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim: u32,
    pub rope_half: u32,
    pub neox: u32,
    /// Of heads: 1, before they are rotated; 2, after.
    pub norm: u32,
    pub window: u32,
    pub softcap: f32,
    pub alibi: f32,
    pub splits: u32,
    /// (position, first cell) a row; each sees its own cells alone.
    pub rows: &'static [(u32, u32)],
}

#[rustfmt::skip]
const SHAPES: [Shape; 20] = [
    // One query head a workgroup.
    Shape { n_heads: 1, n_kv_heads: 1, head_dim: 32, rope_half: 16, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(0, 0)] },
    Shape { n_heads: 3, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 1, norm: 1, window: 0, softcap: 0.0, alibi: 0.0, splits: 3, rows: &[(255, 0), (256, 300)] },
    // Two; half of the head is rotated; no multiple of 16.
    Shape { n_heads: 4, n_kv_heads: 2, head_dim: 80, rope_half: 20, neox: 1, norm: 2, window: 7, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(3, 20), (300, 40)] },
    Shape { n_heads: 2, n_kv_heads: 1, head_dim: 100, rope_half: 50, neox: 0, norm: 0, window: 300, softcap: 20.0, alibi: 0.0, splits: 4, rows: &[(700, 3)] },
    // A part without cells.
    Shape { n_heads: 2, n_kv_heads: 1, head_dim: 4, rope_half: 2, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 4, rows: &[(0, 5)] },
    // Three: SmolLM2's heads.
    Shape { n_heads: 9, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(31, 620), (0, 600), (512, 0)] },
    Shape { n_heads: 9, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 16, rows: &[(1030, 0)] },
    Shape { n_heads: 5, n_kv_heads: 1, head_dim: 128, rope_half: 64, neox: 1, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 2, rows: &[(260, 0)] },
    // Four: Gemma 3's, then more than one workgroup a KV head.
    Shape { n_heads: 4, n_kv_heads: 1, head_dim: 256, rope_half: 128, neox: 1, norm: 1, window: 512, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(511, 0), (514, 520)] },
    Shape { n_heads: 4, n_kv_heads: 1, head_dim: 256, rope_half: 128, neox: 1, norm: 2, window: 0, softcap: 30.0, alibi: 0.0, splits: 5, rows: &[(1029, 0)] },
    Shape { n_heads: 7, n_kv_heads: 1, head_dim: 64, rope_half: 32, neox: 1, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(100, 0), (257, 300)] },
    Shape { n_heads: 14, n_kv_heads: 2, head_dim: 64, rope_half: 32, neox: 1, norm: 1, window: 33, softcap: 0.0, alibi: 0.0, splits: 2, rows: &[(31, 0), (1000, 40)] },
    Shape { n_heads: 16, n_kv_heads: 4, head_dim: 128, rope_half: 64, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(17, 5)] },
    Shape { n_heads: 8, n_kv_heads: 2, head_dim: 8, rope_half: 2, neox: 0, norm: 0, window: 3, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(300, 0), (1, 310)] },
    // Heads of three blocks of 32.
    Shape { n_heads: 2, n_kv_heads: 2, head_dim: 96, rope_half: 48, neox: 1, norm: 1, window: 0, softcap: 0.0, alibi: 0.0, splits: 1, rows: &[(70, 2), (300, 90)] },
    Shape { n_heads: 3, n_kv_heads: 1, head_dim: 160, rope_half: 40, neox: 0, norm: 2, window: 0, softcap: 0.0, alibi: 0.0, splits: 3, rows: &[(130, 1)] },
    Shape { n_heads: 4, n_kv_heads: 2, head_dim: 64, rope_half: 32, neox: 0, norm: 1, window: 0, softcap: 0.0, alibi: 0.0, splits: 2, rows: &[(90, 4), (33, 100)] },
    // ALiBi, of heads that are a power of two or not.
    Shape { n_heads: 12, n_kv_heads: 12, head_dim: 32, rope_half: 0, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 8.0, splits: 1, rows: &[(0, 0), (300, 5)] },
    Shape { n_heads: 8, n_kv_heads: 4, head_dim: 80, rope_half: 0, neox: 0, norm: 0, window: 100, softcap: 3.0, alibi: 8.0, splits: 3, rows: &[(700, 3)] },
    Shape { n_heads: 14, n_kv_heads: 2, head_dim: 64, rope_half: 0, neox: 0, norm: 0, window: 0, softcap: 0.0, alibi: 4.0, splits: 2, rows: &[(31, 0), (1000, 40)] },
];

pub fn run(rig: &mut impl Runs) {
    for lanes in Lanes::ALL {
        for kv in Kv::ALL {
            let mut random = Random::new(16);
            for s in SHAPES.iter().filter(|s| takes(kv, s.head_dim)) {
                rig.run(attend(&mut random, s, lanes, kv, None));
                // What lies between the results and the counts is nobody's.
                rig.run(attend(&mut random, s, lanes, kv, Some(s.results() + 5)));
            }
        }
    }
    combine(rig);
}

impl Shape {
    /// Words of the results.
    pub fn results(&self) -> u32 {
        self.rows.len() as u32 * self.n_heads * self.head_dim
    }

    /// And of all counts and parts behind them.
    pub fn behind(&self) -> u32 {
        let (groups, _) = spread(self.n_heads / self.n_kv_heads);
        let parts = self.n_heads * self.splits * (self.head_dim + 2);
        self.rows.len() as u32 * (self.n_kv_heads * groups + parts)
    }
}

/// Merged inside where there is room for so many words of results.
pub fn attend(random: &mut Random, s: &Shape, lanes: Lanes, kv: Kv, results: Option<u32>) -> Case {
    let (groups, qh) = spread(s.n_heads / s.n_kv_heads);
    let heads = (s.n_heads + 2 * s.n_kv_heads) as usize;
    let table = crate::rope::table(2 * s.rope_half, 1e5, 1.0, 1280);
    let norm = |random: &mut Random| {
        Data::In(if s.norm > 0 { bits(&random.floats(s.head_dim as usize, 2.0)) } else { poison(4) })
    };
    let attn_scale = if s.norm > 0 { 1.0 } else { 4.0 } / (s.head_dim as f32).sqrt();
    // A row's own cell is written by the kernel.
    let before = |range: Range<u32>| range.start..range.end - 1;
    let cells: Vec<_> = s.rows.iter().map(|&(at, first)| (first, before(seen(at, s.window)))).collect();
    let [k, v] = [(); 2].map(|()| cache(random, kv, s.n_kv_heads, s.head_dim, &cells));
    let parts = if s.splits > 1 { s.results() / s.head_dim * s.splits * (s.head_dim + 4) } else { s.results() };
    let out = match results {
        None => poison(parts as usize),
        Some(results) => [poison(results as usize), vec![0; s.behind() as usize]].concat(),
    };
    let merge = if results.is_some() { Merge::Inside } else { Merge::Apart };
    Case::new(
        decode_attention::Variant { lanes, kv, qh, merge },
        format!(
            "{}:{} heads of {}, {} pairs, norm {}, window {}, softcap {}, alibi {}, {} parts, at {:?}",
            s.n_heads, s.n_kv_heads, s.head_dim, s.rope_half, s.norm, s.window, s.softcap, s.alibi, s.splits, s.rows
        ),
        decode_attention::Params {
            n_heads: s.n_heads,
            n_kv_heads: s.n_kv_heads,
            head_dim4: s.head_dim / 4,
            rope_half: s.rope_half,
            neox: s.neox,
            has_norm: s.norm,
            eps: 1e-3,
            attn_scale,
            stretch: if s.norm == 2 { 0.3 } else { 0.0 },
            stretch_every: 16,
            window: s.window,
            groups,
            softcap: s.softcap,
            alibi: s.alibi,
            splits: s.splits,
            tables: TABLES,
            results: results.unwrap_or(0),
        },
        decode_attention::Bind {
            batch: Data::In(batch_behind(s.rows, 0, 0)),
            qkv: Data::In(bits(&random.floats(s.rows.len() * heads * s.head_dim as usize, 2.0))),
            q_norm: norm(random),
            k_norm: norm(random),
            rope: Data::In(bits(&table)),
            k_cache: Data::OutHeads(k, kv, s.head_dim),
            v_cache: Data::OutHeads(v, kv, s.head_dim),
            out: Data::Out(out),
        },
        [s.n_kv_heads * groups, s.rows.len() as u32 * s.splits],
        match kv {
            Kv::F32 => CEILING,
            Kv::F16 | Kv::Pack16 => F16_CACHE,
            Kv::Q8 => Q8_CACHE,
            Kv::Q4 => Q4_CACHE,
        },
    )
}

fn combine(rig: &mut impl Runs) {
    let mut random = Random::new(17);
    for (heads, rows, dim, splits) in [(1, 1, 4, 2), (9, 1, 64, 16), (3, 2, 256, 5), (4, 1, 100, 3), (2, 1, 128, 128)] {
        let mut parts = Vec::new();
        for part in 0..heads * rows * splits {
            parts.extend(random.floats(dim, 3.0));
            // The last part of each head has no cells.
            let empty = part % splits == splits - 1;
            parts.extend(if empty { [-3e38, 0.0] } else { [9.0 * random.unit(), 2.0 + random.unit()] });
            parts.extend([0.0; 2]);
        }
        rig.run(Case::new(
            attention_combine::Variant {},
            format!("{heads} heads of {dim} in {rows} rows, {splits} parts"),
            attention_combine::Params { dim4: dim as u32 / 4, splits: splits as u32 },
            attention_combine::Bind { parts: Data::In(bits(&parts)), out: Data::Out(poison(heads * rows * dim)) },
            [heads as u32, rows as u32],
            F32,
        ));
    }
}
