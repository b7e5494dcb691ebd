use sotto::kernels::params::RopeKv;
use sotto::model::rope;

use crate::F32;
use crate::gpu::{Case, Data, Rig, floats};
use crate::random::{Random, poison};

/// Stored keys and values rounded to f16 on both sides: they differ only where f32 roundings fall to either side.
const F16_CACHE: f64 = 1e-9;

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    rope_half: u32,
    neox: u32,
    norm: bool,
    theta: f32,
    scale: f32,
    attn_scale: f32,
    /// (position, first cell) a row.
    rows: &'static [(u32, u32)],
}

const SHAPES: [Shape; 9] = [
    // One head each, one row, at the start.
    Shape {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 32,
        rope_half: 16,
        neox: 0,
        norm: false,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 1.0,
        rows: &[(0, 0)],
    },
    // SmolLM2's heads; positions around the table's coarse step.
    Shape {
        n_heads: 9,
        n_kv_heads: 3,
        head_dim: 64,
        rope_half: 32,
        neox: 0,
        norm: false,
        theta: 1e5,
        scale: 1.0,
        attn_scale: 0.125,
        rows: &[(255, 0), (256, 0), (257, 0)],
    },
    // Qwen2's 7:1, two sequences out of order.
    Shape {
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        rope_half: 32,
        neox: 1,
        norm: false,
        theta: 1e6,
        scale: 1.0,
        attn_scale: 0.125,
        rows: &[(3, 40), (17, 0), (4, 40)],
    },
    // Gemma 3's: normed, wide, one KV head, slowed rotation.
    Shape {
        n_heads: 4,
        n_kv_heads: 1,
        head_dim: 256,
        rope_half: 128,
        neox: 1,
        norm: true,
        theta: 1e6,
        scale: 0.125,
        attn_scale: 0.0625,
        rows: &[(700, 3), (513, 3)],
    },
    // Half of the head rotated, in either pairing; normed.
    Shape {
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 80,
        rope_half: 20,
        neox: 1,
        norm: true,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.3,
        rows: &[(77, 0), (1029, 11)],
    },
    Shape {
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 80,
        rope_half: 16,
        neox: 0,
        norm: true,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 2.0,
        rows: &[(78, 5)],
    },
    Shape {
        n_heads: 3,
        n_kv_heads: 3,
        head_dim: 128,
        rope_half: 64,
        neox: 0,
        norm: false,
        theta: 5e5,
        scale: 1.0,
        attn_scale: 0.0884,
        rows: &[(1100, 0), (1, 1200), (0, 1210), (1023, 0), (1024, 0), (9, 1200), (511, 0)],
    },
    // Heads that are no multiple of 16.
    Shape {
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 100,
        rope_half: 50,
        neox: 1,
        norm: true,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.1,
        rows: &[(600, 0), (601, 0)],
    },
    Shape {
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 4,
        rope_half: 1,
        neox: 0,
        norm: false,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.5,
        rows: &[(1, 7), (2, 7)],
    },
];

pub fn run(rig: &mut Rig) {
    let context = 1280;
    for way in ["rope_kv.tree", "rope_kv.subgroup", "rope_kv_rows"] {
        for kv in ["pack16", "f16", "f32"] {
            let mut random = Random::new(5);
            for s in &SHAPES {
                // Threads that own a head rotate whole vectors.
                let rows_kernel = way == "rope_kv_rows";
                if rows_kernel && s.rope_half % 4 != 0 {
                    continue;
                }
                let heads = s.n_heads + 2 * s.n_kv_heads;
                let factors: Vec<f32> = (0..s.rope_half).map(|i| 1.0 + (i % 5) as f32).collect();
                // The factors of `rope_freqs` come with the neither normed nor paired models.
                let factors = if s.neox == 0 && !s.norm { factors } else { Vec::new() };
                let table = rope::table(2 * s.rope_half, s.theta, s.scale, &factors, context);
                let cells = s.rows.iter().map(|(p, c)| p + c + 1).max().unwrap_or(0) + 2;
                let words = (cells * s.n_kv_heads * s.head_dim) as usize / if kv != "f32" { 2 } else { 1 };
                let cache = || if kv != "f32" { Data::OutF16(poison(words)) } else { Data::Out(poison(words)) };
                let norm = |random: &mut Random| {
                    Data::In(if s.norm { floats(&random.floats(s.head_dim as usize, 2.0)) } else { poison(4) })
                };
                let mut qkv = random.floats(s.rows.len() * (heads * s.head_dim) as usize, 2.0);
                if s.head_dim == 32 {
                    // More than f16 can hold. Only here: beside it, errors of other numbers count for nothing.
                    *qkv.last_mut().expect("a value") = -1e6;
                }
                rig.run(Case {
                    variant: format!("{way}.{kv}"),
                    what: format!(
                        "{}:{} heads of {}, {} pairs, neox {}, norm {}, at {:?}",
                        s.n_heads, s.n_kv_heads, s.head_dim, s.rope_half, s.neox, s.norm, s.rows[0]
                    ),
                    params: RopeKv {
                        n_heads: s.n_heads,
                        n_kv_heads: s.n_kv_heads,
                        head_dim: s.head_dim,
                        rope_half: s.rope_half,
                        neox: s.neox,
                        has_norm: s.norm as u32,
                        eps: 1e-3,
                        attn_scale: s.attn_scale,
                        rows: s.rows.len() as u32,
                        pad: [0; 3],
                    },
                    buffers: vec![
                        Data::In(s.rows.iter().flat_map(|&(p, c)| [u32::MAX, p, c, 0]).collect()),
                        norm(&mut random),
                        norm(&mut random),
                        Data::In(floats(&table)),
                        Data::Out(floats(&qkv)),
                        cache(),
                        cache(),
                    ],
                    grid: if rows_kernel {
                        [s.rows.len().div_ceil(16) as u32, heads]
                    } else {
                        [heads, s.rows.len() as u32]
                    },
                    ceiling: if kv != "f32" { F16_CACHE } else { F32 },
                });
            }
        }
    }
}
