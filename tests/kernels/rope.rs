//! Heads are rotated, and keys and values stored.

use half::f16;
use sotto::kernels::face::Face;
use sotto::kernels::table::choices::{Kv, Reduce};
use sotto::kernels::table::{rope_kv, rope_kv_rows};
use sotto::model::rope;
use sotto::model::spec::{Pairs, Rope};

use crate::F32;
use crate::attention::{TABLES, batch_behind};
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::cells::{beside, place};
use crate::host::mirror;
use crate::random::{Random, poison, takes};

/// Stored keys and values rounded to f16 on both sides: they differ only where f32 roundings fall to either side.
const F16_CACHE: f64 = 1e-9;
/// And so numbers in blocks, of fewer steps.
const Q8_CACHE: f64 = 1e-5;
const Q4_CACHE: f64 = 1e-3;

fn rotation(dim: u32, theta: f32, scale: f32) -> Rope {
    Rope { dim, pairs: Pairs::Halves, theta, scale, ramp: None, amplitude: 1.0, factors: true }
}

/// The angles of a plain rotation.
pub fn table(dim: u32, theta: f32, scale: f32, context: u32) -> Vec<f32> {
    rope::table(&rotation(dim, theta, scale), &[], context)
}

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    rope_half: u32,
    neox: u32,
    /// Of heads: 1, before they are rotated; 2, after.
    norm: u32,
    theta: f32,
    scale: f32,
    attn_scale: f32,
    /// Of values, without weights.
    v_norm: u32,
    /// (position, first cell) a row.
    rows: &'static [(u32, u32)],
}

impl Shape {
    /// Heads that something becomes of.
    fn heads(&self) -> u32 {
        self.n_heads + 2 * self.n_kv_heads
    }

    /// Those of the row, where values may be keys.
    fn row_heads(&self, values_are_keys: bool) -> u32 {
        self.heads() - if values_are_keys { self.n_kv_heads } else { 0 }
    }
}

const SHAPES: [Shape; 14] = [
    // One head each, one row, at the start.
    Shape {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 32,
        rope_half: 16,
        neox: 0,
        norm: 0,
        v_norm: 0,
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
        norm: 0,
        v_norm: 0,
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
        norm: 0,
        v_norm: 0,
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
        norm: 1,
        v_norm: 0,
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
        norm: 2,
        v_norm: 0,
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
        norm: 1,
        v_norm: 0,
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
        norm: 0,
        v_norm: 0,
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
        norm: 2,
        v_norm: 0,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.1,
        rows: &[(600, 0), (601, 0)],
    },
    // Heads of three blocks of 32, and of five.
    Shape {
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 96,
        rope_half: 48,
        neox: 1,
        norm: 2,
        v_norm: 0,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.5,
        rows: &[(1, 7), (2, 7), (300, 0)],
    },
    Shape {
        n_heads: 3,
        n_kv_heads: 1,
        head_dim: 160,
        rope_half: 20,
        neox: 0,
        norm: 1,
        v_norm: 0,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.5,
        rows: &[(31, 0)],
    },
    Shape {
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 4,
        rope_half: 1,
        neox: 0,
        norm: 0,
        v_norm: 0,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.5,
        rows: &[(1, 7), (2, 7)],
    },
    // Gemma 4's: wide heads, values normed too; and queries alone.
    Shape {
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 512,
        rope_half: 256,
        neox: 1,
        norm: 1,
        v_norm: 1,
        theta: 1e6,
        scale: 1.0,
        attn_scale: 1.0,
        rows: &[(700, 3), (513, 3)],
    },
    Shape {
        n_heads: 3,
        n_kv_heads: 0,
        head_dim: 260,
        rope_half: 64,
        neox: 1,
        norm: 1,
        v_norm: 1,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.7,
        rows: &[(4, 3), (5, 3)],
    },
    Shape {
        n_heads: 1,
        n_kv_heads: 2,
        head_dim: 80,
        rope_half: 20,
        neox: 0,
        norm: 0,
        v_norm: 1,
        theta: 1e4,
        scale: 1.0,
        attn_scale: 0.3,
        rows: &[(7, 0), (1029, 11)],
    },
];

/// Heads in blocks are turned in the registers of their threads.
fn stores(kv: Kv, head_dim: u32) -> bool {
    takes(kv, head_dim) && (head_dim <= 256 || !kv.turned())
}

pub fn run(rig: &mut impl Runs) {
    for kv in Kv::ALL {
        for reduce in Reduce::ALL {
            let mut random = Random::new(5);
            let mut of_keys = Random::new(6);
            for s in SHAPES.iter().filter(|s| stores(kv, s.head_dim)) {
                let grid = [s.heads(), s.rows.len() as u32];
                for (random, values_are_keys) in [(&mut random, false), (&mut of_keys, true)] {
                    rig.run(case(random, (s, values_are_keys), kv, rope_kv::Variant { reduce, kv }, grid));
                }
            }
        }
        let [mut random, mut of_keys] = [5, 6].map(Random::new);
        // Threads that own a head rotate whole vectors.
        for s in SHAPES.iter().filter(|s| s.rope_half % 4 == 0 && stores(kv, s.head_dim)) {
            let grid = [(s.rows.len() as u32).div_ceil(rope_kv_rows::THREADS), s.heads()];
            for (random, values_are_keys) in [(&mut random, false), (&mut of_keys, true)] {
                rig.run(case(random, (s, values_are_keys), kv, rope_kv_rows::Variant { kv }, grid));
            }
        }
    }
}

fn case<V>(random: &mut Random, (s, values_are_keys): (&Shape, bool), kv: Kv, variant: V, grid: [u32; 2]) -> Case
where
    V: Face<Params = rope_kv::Params, Bind<Data> = rope_kv::Bind<Data>>,
{
    let factors: Vec<f32> = (0..s.rope_half).map(|i| 1.0 + (i % 5) as f32).collect();
    // The factors of `rope_freqs` come with the neither normed nor paired models.
    let factors = if s.neox == 0 && s.norm == 0 { factors } else { Vec::new() };
    let table = rope::table(&rotation(2 * s.rope_half, s.theta, s.scale), &factors, 1280);
    let cells = s.rows.iter().map(|&(p, c)| place(c, p)).max().unwrap_or(0) + 3;
    let words = (cells * s.n_kv_heads.max(1)) as usize * kv.words(s.head_dim as usize);
    let cache = || Data::OutHeads(poison(words), kv, s.head_dim);
    let norm = |random: &mut Random| {
        Data::In(if s.norm > 0 { bits(&random.floats(s.head_dim as usize, 2.0)) } else { poison(4) })
    };
    let row_heads = s.row_heads(values_are_keys);
    let mut qkv = random.floats(s.rows.len() * (row_heads * s.head_dim) as usize, 2.0);
    if s.head_dim == 32 && !values_are_keys {
        // More than f16 can hold. Only here: beside it, errors of other numbers count for nothing.
        *qkv.last_mut().expect("a value") = -1e6;
    }
    Case::new(
        variant,
        format!(
            "{}:{} heads of {}, {row_heads} in a row, {} pairs, neox {}, norm {}, at {:?}",
            s.n_heads, s.n_kv_heads, s.head_dim, s.rope_half, s.neox, s.norm, s.rows[0]
        ),
        rope_kv::Params {
            n_heads: s.n_heads,
            n_kv_heads: s.n_kv_heads,
            head_dim: s.head_dim,
            rope_half: s.rope_half,
            neox: s.neox,
            has_norm: s.norm,
            v_norm: s.v_norm,
            eps: 1e-3,
            attn_scale: s.attn_scale,
            stretch: if s.norm == 2 { 0.3 } else { 0.0 },
            stretch_every: 16,
            rows: s.rows.len() as u32,
            row_heads,
            tables: TABLES,
        },
        rope_kv::Bind {
            batch: Data::In(batch_behind(s.rows, 0, 0)),
            q_norm: norm(random),
            k_norm: norm(random),
            rope: Data::In(bits(&table)),
            qkv: Data::Out(bits(&qkv)),
            k_cache: cache(),
            v_cache: cache(),
        },
        grid,
        of_cache(kv),
    )
}

/// How far what is stored may be from what the mirror stores.
pub fn of_cache(kv: Kv) -> f64 {
    match kv {
        Kv::F32 => F32,
        Kv::F16 | Kv::Pack16 => F16_CACHE,
        Kv::Q8 => Q8_CACHE,
        Kv::Q4 => Q4_CACHE,
    }
}

/// Heads of 4 in one sequence whose cells start at 2: q, k and v rows of one head each, and both caches.
fn rope_row(params: rope_kv::Params, position: u32, qkv: &[f32], norm: &[f32], table: &[f32]) -> [Vec<f32>; 3] {
    let cache = vec![0; (position as usize + 4) * 4];
    let norm = bits(norm);
    let bind = rope_kv::Bind {
        batch: &beside(&[[0, position, 2, 0]], position)[..],
        q_norm: &norm,
        k_norm: &norm,
        rope: &bits(table),
        qkv: &bits(qkv),
        k_cache: &cache,
        v_cache: &cache,
    };
    let out = mirror(rope_kv::Variant { reduce: Reduce::Tree, kv: Kv::F32 }, params, bind, [3, 1]);
    let cell = |cache: &[u32]| floats(cache)[(position as usize + 2) * 4..][..4].to_vec();
    [floats(&out.qkv).to_vec(), cell(&out.k_cache), cell(&out.v_cache)]
}

/// One head each of queries, keys and values.
const ONE_HEAD: rope_kv::Params = rope_kv::Params {
    n_heads: 1,
    n_kv_heads: 1,
    head_dim: 4,
    rope_half: 2,
    neox: 0,
    has_norm: 0,
    v_norm: 0,
    eps: 0.0,
    attn_scale: 1.0,
    stretch: 0.0,
    stretch_every: 1,
    rows: 1,
    row_heads: 3,
    tables: 0,
};

#[test]
fn rope_by_hand() {
    // Two pairs are rotated by p and p / 100: theta^(-2/4) of 10000.
    let table = table(4, 1e4, 1.0, 1024);
    let mut params = rope_kv::Params { attn_scale: 0.5, ..ONE_HEAD };
    let qkv = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
    for position in [0u32, 1, 300, 1000] {
        let (a, b) = ((position as f64).sin_cos(), (position as f64 / 100.0).sin_cos());
        // (u + iv) times e^(i angle)
        let rotate = |u: f64, v: f64, (sin, cos): (f64, f64)| (u * cos - v * sin, v * cos + u * sin);
        params.neox = 0;
        let [q, k, v] = rope_row(params, position, &qkv, &[], &table);
        let (q01, q23) = (rotate(1.0, 2.0, a), rotate(3.0, 4.0, b));
        close(&q[..4], &[q01.0 / 2.0, q01.1 / 2.0, q23.0 / 2.0, q23.1 / 2.0], 1e-5);
        // Keys and values in the row itself stay.
        assert_eq!(q[4..], qkv[4..]);
        let (k01, k23) = (rotate(5.0, 6.0, a), rotate(7.0, 8.0, b));
        close(&k, &[k01.0, k01.1, k23.0, k23.1], 1e-5);
        assert_eq!(v, qkv[8..]);
        // The other pairing: elements 0 and 2, 1 and 3.
        params.neox = 1;
        let [q, ..] = rope_row(params, position, &qkv, &[], &table);
        let (q02, q13) = (rotate(1.0, 3.0, a), rotate(2.0, 4.0, b));
        close(&q[..4], &[q02.0 / 2.0, q13.0 / 2.0, q02.1 / 2.0, q13.1 / 2.0], 1e-5);
    }
}

#[test]
fn rope_norms_first_and_rotates_a_part() {
    // One pair of a head of 4 is rotated. (2, 2, 2, 2) has root mean square 2 and becomes the norm's weights.
    let table = table(2, 1e4, 1.0, 1024);
    let mut params = rope_kv::Params { rope_half: 1, neox: 1, has_norm: 1, ..ONE_HEAD };
    let [q, k, v] = rope_row(params, 5, &[2.0; 12], &[1.0, 0.0, 3.0, 4.0], &table);
    let (sin, cos) = 5f64.sin_cos();
    close(&q[..4], &[cos, sin, 3.0, 4.0], 1e-6);
    close(&k, &[cos, sin, 3.0, 4.0], 1e-6);
    assert_eq!(v, [2.0; 4]);
    // Values of root mean square 2, normed without weights.
    let [.., v] = rope_row(rope_kv::Params { v_norm: 1, ..params }, 5, &[2.0; 12], &[1.0, 0.0, 3.0, 4.0], &table);
    close(&v, &[1.0; 4], 1e-6);
    // Where the row has none, they are the keys as they came.
    let shared = rope_kv::Params { v_norm: 1, row_heads: 2, ..params };
    let qk = [2.0, 2.0, 2.0, 2.0, 3.0, -3.0, 3.0, -3.0];
    let [.., v] = rope_row(shared, 5, &qk, &[1.0, 0.0, 3.0, 4.0], &table);
    close(&v, &[1.0, -1.0, 1.0, -1.0], 1e-6);
    // The other way round: (1, 1) rotated, then weighted. At position 5 queries are 1 + 0.5 ln(1 + 2) as large.
    (params.has_norm, params.stretch, params.stretch_every) = (2, 0.5, 2);
    let [q, k, _] = rope_row(params, 5, &[2.0; 12], &[1.0, 0.0, 3.0, 4.0], &table);
    close(&k, &[cos - sin, 0.0, 3.0, 4.0], 1e-6);
    let stretch = 1.0 + 0.5 * 3f64.ln();
    close(&q[..4], &[stretch * (cos - sin), 0.0, 3.0 * stretch, 4.0 * stretch], 1e-6);
}

#[test]
fn scores_after_rope_depend_on_distance_alone() {
    let table = table(4, 1e4, 1.0, 1024);
    let params = rope_kv::Params { neox: 1, ..ONE_HEAD };
    let row = [0.3, -0.8, 0.5, 0.9, -0.2, 0.7, 0.4, -0.6, 0.0, 0.0, 0.0, 0.0];
    let score = |p: u32, c: u32| -> f32 {
        let [q, ..] = rope_row(params, p, &row, &[], &table);
        let [_, k, _] = rope_row(params, c, &row, &[], &table);
        q.iter().zip(&k).map(|(a, b)| a * b).sum()
    };
    let near = score(37, 20);
    for base in [0, 220, 256, 1000] {
        assert!((score(base + 17, base) - near).abs() < 1e-5, "at {base}");
    }
    assert!((score(38, 20) - near).abs() > 1e-3);
}

#[test]
fn caches_hold_f16_pairs() {
    let table = table(4, 1e4, 1.0, 256);
    let qkv = bits(&[0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.5, 65504.0, 1.0 + 1.0 / 2048.0, 3.0, 1e-8, -0.0]);
    let endless = bits(&[0.0, 0.0, 0.0, 0.0, f32::NAN, f32::INFINITY, 1e9, -1e9, 1.0, f32::NEG_INFINITY, 0.0, 0.0]);
    let bind = rope_kv::Bind {
        batch: &beside(&[[0; 4]], 0)[..],
        q_norm: &[],
        k_norm: &[],
        rope: &bits(&table),
        qkv: &qkv,
        k_cache: &[0; 4],
        v_cache: &[0; 4],
    };
    let out = mirror(rope_kv::Variant { reduce: Reduce::Tree, kv: Kv::Pack16 }, ONE_HEAD, bind, [3, 1]);
    assert_eq!(out.k_cache[..2], [0xc000_3c00, 0x7bff_3800]);
    // Halfway goes to even; what is too small goes to zero.
    assert_eq!(out.v_cache[..2], [0x4200_3c00, 0x8000_0000]);
    // What is no number is none in the cache.
    let table = bits(&table);
    let bind = rope_kv::Bind {
        batch: &beside(&[[0; 4]], 0)[..],
        q_norm: &[],
        k_norm: &[],
        rope: &table,
        qkv: &endless,
        k_cache: &[0; 4],
        v_cache: &[0; 4],
    };
    let out = mirror(rope_kv::Variant { reduce: Reduce::Tree, kv: Kv::Pack16 }, ONE_HEAD, bind, [3, 1]);
    assert!(f16::from_bits(out.k_cache[0] as u16).is_nan() && f16::from_bits((out.k_cache[0] >> 16) as u16).is_nan());
    assert_eq!(out.k_cache[1], 0xfbff_7bff);
    assert!(f16::from_bits((out.v_cache[0] >> 16) as u16).is_nan());
}
