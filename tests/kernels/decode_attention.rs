//! Attention of single rows, whole and in parts, and the parts put together.

use std::ops::Range;

use sotto::kernels::params::{AttentionCombine, DecodeAttention};
use sotto::model::rope;

use crate::F32;
use crate::gpu::{Case, Data, Rig, floats};
use crate::random::{Random, cache, poison, seen};

/// exp turns a score's rounding into a relative error of the weight.
const CEILING: f64 = 3e-12;
/// A new key that f32 roundings let fall to the other side of an f16 changes its cell's weight.
const F16_CACHE: f64 = 1e-8;

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    rope_half: u32,
    neox: u32,
    norm: bool,
    window: u32,
    softcap: f32,
    splits: u32,
    /// (position, first cell) a row; each sees its own cells alone.
    rows: &'static [(u32, u32)],
}

#[rustfmt::skip]
const SHAPES: [Shape; 14] = [
    // One query head a workgroup.
    Shape { n_heads: 1, n_kv_heads: 1, head_dim: 32, rope_half: 16, neox: 0, norm: false, window: 0, softcap: 0.0, splits: 1, rows: &[(0, 0)] },
    Shape { n_heads: 3, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 1, norm: true, window: 0, softcap: 0.0, splits: 3, rows: &[(255, 0), (256, 300)] },
    // Two; half of the head is rotated; no multiple of 16.
    Shape { n_heads: 4, n_kv_heads: 2, head_dim: 80, rope_half: 20, neox: 1, norm: true, window: 7, softcap: 0.0, splits: 1, rows: &[(3, 20), (300, 40)] },
    Shape { n_heads: 2, n_kv_heads: 1, head_dim: 100, rope_half: 50, neox: 0, norm: false, window: 300, softcap: 20.0, splits: 4, rows: &[(700, 3)] },
    // A part without cells.
    Shape { n_heads: 2, n_kv_heads: 1, head_dim: 4, rope_half: 2, neox: 0, norm: false, window: 0, softcap: 0.0, splits: 4, rows: &[(0, 5)] },
    // Three: SmolLM2's heads.
    Shape { n_heads: 9, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 0, norm: false, window: 0, softcap: 0.0, splits: 1, rows: &[(31, 620), (0, 600), (512, 0)] },
    Shape { n_heads: 9, n_kv_heads: 3, head_dim: 64, rope_half: 32, neox: 0, norm: false, window: 0, softcap: 0.0, splits: 16, rows: &[(1030, 0)] },
    Shape { n_heads: 5, n_kv_heads: 1, head_dim: 128, rope_half: 64, neox: 1, norm: false, window: 0, softcap: 0.0, splits: 2, rows: &[(260, 0)] },
    // Four: Gemma 3's, then more than one workgroup a KV head.
    Shape { n_heads: 4, n_kv_heads: 1, head_dim: 256, rope_half: 128, neox: 1, norm: true, window: 512, softcap: 0.0, splits: 1, rows: &[(511, 0), (514, 520)] },
    Shape { n_heads: 4, n_kv_heads: 1, head_dim: 256, rope_half: 128, neox: 1, norm: true, window: 0, softcap: 30.0, splits: 5, rows: &[(1029, 0)] },
    Shape { n_heads: 7, n_kv_heads: 1, head_dim: 64, rope_half: 32, neox: 1, norm: false, window: 0, softcap: 0.0, splits: 1, rows: &[(100, 0), (257, 300)] },
    Shape { n_heads: 14, n_kv_heads: 2, head_dim: 64, rope_half: 32, neox: 1, norm: true, window: 33, softcap: 0.0, splits: 2, rows: &[(31, 0), (1000, 40)] },
    Shape { n_heads: 16, n_kv_heads: 4, head_dim: 128, rope_half: 64, neox: 0, norm: false, window: 0, softcap: 0.0, splits: 1, rows: &[(17, 5)] },
    Shape { n_heads: 8, n_kv_heads: 2, head_dim: 8, rope_half: 2, neox: 0, norm: false, window: 3, softcap: 0.0, splits: 1, rows: &[(300, 0), (1, 310)] },
];

pub fn run(rig: &mut Rig) {
    for lanes in ["tree", "subgroup", "quad"] {
        for kv in ["pack16", "f16", "f32"] {
            let mut random = Random::new(16);
            SHAPES.iter().for_each(|s| attend(rig, &mut random, s, lanes, kv));
        }
    }
    combine(rig);
}

fn attend(rig: &mut Rig, random: &mut Random, s: &Shape, lanes: &str, kv: &str) {
    let per_kv = s.n_heads / s.n_kv_heads;
    let groups = per_kv.div_ceil(4);
    let heads = (s.n_heads + 2 * s.n_kv_heads) as usize;
    let table = rope::table(2 * s.rope_half, 1e5, 1.0, &[], 1280);
    let norm = |random: &mut Random| {
        Data::In(if s.norm { floats(&random.floats(s.head_dim as usize, 2.0)) } else { poison(4) })
    };
    let attn_scale = if s.norm { 1.0 } else { 4.0 } / (s.head_dim as f32).sqrt();
    // A row's own cell is written by the kernel.
    let before = |range: Range<u32>| range.start..range.end - 1;
    let cells: Vec<_> = s.rows.iter().map(|&(at, first_cell)| before(seen(at, first_cell, s.window))).collect();
    let [k, v] = [(); 2].map(|_| cache(random, kv, s.n_kv_heads * s.head_dim, &cells));
    let outputs = s.rows.len() as u32 * s.n_heads * s.splits;
    let width = s.head_dim + if s.splits > 1 { 4 } else { 0 };
    rig.run(Case {
        variant: format!("decode_attention.{lanes}.{kv}.qh{}", per_kv.div_ceil(groups)),
        what: format!(
            "{}:{} heads of {}, {} pairs, norm {}, window {}, softcap {}, {} parts, at {:?}",
            s.n_heads, s.n_kv_heads, s.head_dim, s.rope_half, s.norm, s.window, s.softcap, s.splits, s.rows
        ),
        params: DecodeAttention {
            n_heads: s.n_heads,
            n_kv_heads: s.n_kv_heads,
            head_dim4: s.head_dim / 4,
            rope_half: s.rope_half,
            neox: s.neox,
            has_norm: s.norm as u32,
            eps: 1e-3,
            attn_scale,
            window: s.window,
            groups,
            softcap: s.softcap,
            splits: s.splits,
        },
        buffers: vec![
            Data::In(s.rows.iter().flat_map(|&(p, c)| [u32::MAX, p, c, 0]).collect()),
            Data::In(floats(&random.floats(s.rows.len() * heads * s.head_dim as usize, 2.0))),
            norm(random),
            norm(random),
            Data::In(floats(&table)),
            if kv == "f32" { Data::Out(k) } else { Data::OutF16(k) },
            if kv == "f32" { Data::Out(v) } else { Data::OutF16(v) },
            Data::Out(poison((outputs * width) as usize)),
        ],
        grid: [s.n_kv_heads * groups, s.rows.len() as u32 * s.splits],
        ceiling: if kv == "f32" { CEILING } else { F16_CACHE },
    });
}

fn combine(rig: &mut Rig) {
    let mut random = Random::new(17);
    for (heads, rows, dim, splits) in [(1, 1, 4, 2), (9, 1, 64, 16), (3, 2, 256, 5), (4, 1, 100, 3)] {
        let mut parts = Vec::new();
        for part in 0..heads * rows * splits {
            parts.extend(random.floats(dim, 3.0));
            // The last part of each head has no cells.
            let empty = part % splits == splits - 1;
            parts.extend(if empty { [-3e38, 0.0] } else { [9.0 * random.unit(), 2.0 + random.unit()] });
            parts.extend([0.0; 2]);
        }
        rig.run(Case {
            variant: "attention_combine".into(),
            what: format!("{heads} heads of {dim} in {rows} rows, {splits} parts"),
            params: AttentionCombine { dim4: dim as u32 / 4, splits: splits as u32, pad: [0; 2] },
            buffers: vec![Data::In(floats(&parts)), Data::Out(poison(heads * rows * dim))],
            grid: [heads as u32, rows as u32],
            ceiling: F32,
        });
    }
}
