//! Attention of wide heads, of values shorter than keys, and with sinks.

use sotto::kernels::table::attention_wide;
use sotto::kernels::table::choices::{Kv, Reduce};

use super::{CEILING, TABLES, batch_behind};
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::cells::beside;
use crate::host::mirror;
use crate::random::{Random, cache, poison, seen, takes};

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    k_dim: u32,
    v_dim: u32,
    v_stride: u32,
    window: u32,
    softcap: f32,
    alibi: f32,
    sinks: bool,
    /// So many cells after its own a row sees, of a sequence of so many.
    ahead: (u32, u32),
    /// (position, first cell) a row.
    rows: &'static [(u32, u32)],
}

const WIDE: Shape = Shape {
    n_heads: 1,
    n_kv_heads: 1,
    k_dim: 512,
    v_dim: 512,
    v_stride: 512,
    window: 0,
    softcap: 0.0,
    alibi: 0.0,
    sinks: false,
    ahead: (0, 0),
    rows: &[(0, 0), (63, 3), (64, 3)],
};

/// Tiles are of 64 cells; a value takes two vectors of a thread, one, or a part of the threads.
const SHAPES: [Shape; 9] = [
    WIDE,
    Shape { n_heads: 8, n_kv_heads: 1, rows: &[(130, 2)], ..WIDE },
    Shape { n_heads: 6, n_kv_heads: 2, k_dim: 320, v_dim: 320, v_stride: 320, softcap: 20.0, ..WIDE },
    // Values that are the beginnings of keys.
    Shape { n_heads: 5, k_dim: 576, v_dim: 512, v_stride: 576, rows: &[(70, 1), (5, 90)], ..WIDE },
    Shape { n_heads: 3, k_dim: 640, v_dim: 260, v_stride: 260, alibi: 8.0, ..WIDE },
    Shape { n_heads: 8, n_kv_heads: 2, k_dim: 64, v_dim: 64, v_stride: 64, sinks: true, window: 20, ..WIDE },
    Shape {
        n_heads: 4,
        n_kv_heads: 4,
        k_dim: 24,
        v_dim: 12,
        v_stride: 12,
        sinks: true,
        rows: &[(0, 9), (200, 9)],
        ..WIDE
    },
    Shape { n_heads: 2, k_dim: 96, v_dim: 4, v_stride: 8, ahead: (u32::MAX, 80), rows: &[(2, 3), (79, 3)], ..WIDE },
    Shape { n_heads: 7, k_dim: 128, v_dim: 160, v_stride: 160, ahead: (9, 150), window: 10, rows: &[(100, 3)], ..WIDE },
];

pub fn run(rig: &mut impl Runs) {
    for kv in Kv::ALL {
        for reduce in Reduce::ALL {
            let mut random = Random::new(8);
            let shapes = SHAPES.iter().filter(|s| takes(kv, s.k_dim) && takes(kv, s.v_dim) && takes(kv, s.v_stride));
            shapes.for_each(|s| rig.run(case(&mut random, s, attention_wide::Variant { reduce, kv })));
        }
    }
}

fn case(random: &mut Random, s: &Shape, variant: attention_wide::Variant) -> Case {
    let (rows, kv) = (s.rows.len(), variant.kv);
    // Behind the queries is what nobody reads.
    let width = s.n_heads * s.k_dim;
    let mut q = poison(rows * (width + 8) as usize);
    let size = 6.0 / (s.k_dim as f32).sqrt();
    for row in q.chunks_exact_mut((width + 8) as usize) {
        row[..width as usize].iter_mut().for_each(|w| *w = (size * random.unit()).to_bits());
    }
    let sees = |&(position, first_cell): &(u32, u32)| {
        let causal = seen(position, s.window);
        (first_cell, causal.start..causal.end.max(s.ahead.1).min(causal.end.saturating_add(s.ahead.0)))
    };
    let cells: Vec<_> = s.rows.iter().map(sees).collect();
    let [k, v] = [s.k_dim, s.v_stride].map(|dim| cache(random, kv, s.n_kv_heads, dim, &cells));
    let sinks = if s.sinks { bits(&random.floats(s.n_heads as usize, 4.0)) } else { poison(1) };
    let fourth = if s.ahead.0 > 0 { s.ahead.1 } else { 5000 };
    Case::new(
        variant,
        format!("{}:{} heads of {} and {}, at {:?}", s.n_heads, s.n_kv_heads, s.k_dim, s.v_dim, s.rows),
        attention_wide::Params {
            n_heads: s.n_heads,
            n_kv_heads: s.n_kv_heads,
            k_dim4: s.k_dim / 4,
            v_dim4: s.v_dim / 4,
            v_stride4: s.v_stride / 4,
            q_stride4: (width + 8) / 4,
            window: s.window,
            softcap: s.softcap,
            alibi: s.alibi,
            ahead: s.ahead.0,
            has_sinks: s.sinks as u32,
            tables: TABLES,
        },
        attention_wide::Bind {
            batch: Data::In(batch_behind(s.rows, fourth, s.ahead.1)),
            q: Data::In(q),
            sinks: Data::In(sinks),
            k_cache: Data::In(k),
            v_cache: Data::In(v),
            out: Data::Out(poison(rows * (s.n_heads * s.v_dim) as usize)),
        },
        [s.n_heads, rows as u32],
        CEILING,
    )
}

#[test]
fn sinks_and_shorter_values_by_hand() {
    // Two heads of 8 on one key head, whose values are the first 4 numbers of its keys. Three cells; the row sees two.
    let keys = bits(
        &[[1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 0.0, 0.0], [3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [f32::NAN; 8]].concat(),
    );
    let third = 3f32.ln();
    let q = bits(&[[0.0, 0.0, 0.0, 0.0, third, 0.0, 0.0, 0.0], [0.0; 8]].concat());
    let params = attention_wide::Params {
        n_heads: 2,
        n_kv_heads: 1,
        k_dim4: 2,
        v_dim4: 1,
        v_stride4: 2,
        q_stride4: 4,
        ..Default::default()
    };
    let run = |has_sinks| {
        let bind = attention_wide::Bind {
            batch: &beside(&[[0, 1, 0, 3]], 3)[..],
            q: &q,
            sinks: &bits(&[4f32.ln(), 0.0]),
            k_cache: &keys,
            v_cache: &keys,
            out: &[0; 8],
        };
        let variant = attention_wide::Variant { reduce: Reduce::Tree, kv: Kv::F32 };
        floats(&mirror(variant, attention_wide::Params { has_sinks, ..params }, bind, [2, 1]).out).to_vec()
    };
    // Weights 3/4 and 1/4 of the first head, halves of the second.
    close(&run(0), &[1.5, 2.0, 2.5, 3.0, 2.0, 2.0, 2.0, 2.0], 1e-6);
    // The sinks weigh 4 beside 3 and 1, and 1 beside 1 and 1.
    let third = 2.0 / 3.0;
    let want = [0.75, 1.0, 1.25, 1.5, 2.0 * third, 2.0 * third, 2.0 * third, 2.0 * third];
    close(&run(1), &want, 1e-6);
}
