//! Attention: of many rows here, of single rows in a module of its own.

mod by_hand;
mod merge;
mod single_rows;
mod wide;

use sotto::kernels::face::Face;
use sotto::kernels::table::choices::{Dim, Kv, Lanes, Qh};
use sotto::kernels::table::{attention, attention_rows, attention_tile};

use crate::case::{Case, Data, Runs};
use crate::cells::apart;
use crate::random::{Random, cache, poison, seen, takes};

/// exp turns a score's rounding into a relative error of the weight, so the floor is above that of the products.
pub const CEILING: f64 = 3e-12;

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    window: u32,
    softcap: f32,
    /// (position, first cell) a row.
    rows: &'static [(u32, u32)],
    /// Cells of each row's sequence, of which it sees those after it too; 0: it does not.
    ahead: u32,
    /// Of which it sees so many.
    reach: u32,
    alibi: f32,
}

const fn shape(
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    window: u32,
    softcap: f32,
    rows: &'static [(u32, u32)],
) -> Shape {
    Shape { n_heads, n_kv_heads, head_dim, window, softcap, rows, ahead: 0, reach: 0, alibi: 0.0 }
}

/// The same where rows see so many cells of their sequence, those after them too.
const fn ahead(ahead: u32, shape: Shape) -> Shape {
    Shape { ahead, reach: u32::MAX, ..shape }
}

/// The same where rows see so many cells to either side of their own, of so many.
const fn around(ahead: u32, reach: u32, shape: Shape) -> Shape {
    Shape { ahead, reach, window: reach + 1, ..shape }
}

/// With ALiBi.
const fn alibi(alibi: f32, shape: Shape) -> Shape {
    Shape { alibi, ..shape }
}

/// With 1 to 4 query heads a workgroup; some KV heads have queries for one workgroup and a part of another.
/// Tiles are of 256 cells: contexts end below, at and above one and several.
const SHAPES: [Shape; 33] = [
    shape(1, 1, 32, 0, 0.0, &[(0, 0)]),
    shape(3, 3, 64, 0, 0.0, &[(5, 0), (255, 0), (256, 0)]),
    shape(2, 2, 128, 7, 0.0, &[(3, 20), (6, 20), (7, 20), (300, 40)]),
    shape(1, 1, 256, 0, 30.0, &[(600, 1)]),
    shape(6, 3, 64, 0, 0.0, &[(0, 9), (64, 9)]),
    shape(2, 1, 80, 256, 0.0, &[(254, 0), (255, 0), (256, 0), (800, 3)]),
    shape(4, 2, 32, 1, 2.0, &[(0, 0), (1, 0), (511, 0)]),
    shape(9, 3, 64, 0, 0.0, &[(31, 0), (0, 600), (512, 0)]),
    shape(5, 1, 128, 0, 0.0, &[(260, 0)]),
    shape(10, 2, 80, 300, 50.0, &[(299, 7), (700, 7)]),
    shape(3, 1, 256, 512, 0.0, &[(511, 0), (512, 0), (513, 0)]),
    shape(4, 1, 256, 0, 0.0, &[(0, 0), (1, 0), (1030, 0)]),
    shape(7, 1, 64, 0, 0.0, &[(100, 0), (257, 300)]),
    shape(14, 2, 64, 33, 0.0, &[(31, 0), (32, 0), (33, 0), (1000, 0)]),
    shape(8, 2, 32, 2000, 1.5, &[(767, 0), (768, 0)]),
    shape(16, 4, 128, 0, 0.0, &[(17, 5)]),
    // Heads that are no multiple of 16.
    shape(2, 2, 4, 0, 0.0, &[(70, 0)]),
    shape(4, 2, 8, 3, 0.0, &[(300, 0), (1, 310)]),
    shape(3, 1, 72, 0, 0.0, &[(65, 2), (257, 70)]),
    shape(8, 2, 100, 0, 20.0, &[(63, 0), (2, 0)]),
    // The last of these has no cell after it, and the one after sees less than the sequence has.
    ahead(8, shape(3, 1, 64, 0, 0.0, &[(0, 0), (7, 40), (11, 60)])),
    ahead(300, shape(4, 2, 32, 0, 10.0, &[(2, 3), (255, 3), (299, 3)])),
    ahead(257, shape(2, 1, 256, 0, 0.0, &[(1, 0), (200, 300)])),
    ahead(70, shape(5, 1, 80, 9, 0.0, &[(30, 1), (68, 1)])),
    around(300, 20, shape(2, 1, 64, 0, 0.0, &[(0, 3), (150, 3), (285, 3), (299, 3)])),
    // Heads that are a power of two or not, with one to four of them a workgroup.
    alibi(8.0, shape(12, 12, 32, 0, 0.0, &[(0, 0), (300, 5)])),
    alibi(8.0, shape(6, 3, 64, 0, 3.0, &[(64, 9), (260, 9)])),
    alibi(4.0, ahead(300, shape(9, 3, 80, 0, 0.0, &[(2, 3), (255, 3), (299, 3)]))),
    alibi(8.0, around(40, 9, shape(8, 2, 16, 0, 0.0, &[(0, 1), (30, 1), (39, 1)]))),
    alibi(8.0, shape(14, 2, 64, 33, 0.0, &[(32, 0), (1000, 0)])),
    // Heads of three blocks of 32.
    shape(2, 2, 96, 0, 0.0, &[(65, 2), (257, 70)]),
    shape(8, 2, 96, 50, 0.0, &[(63, 0), (300, 1)]),
    shape(3, 1, 160, 0, 0.0, &[(70, 0)]),
];

/// Rows at consecutive positions of a sequence.
const fn consecutive<const N: usize>(position: u32, first_cell: u32) -> [(u32, u32); N] {
    let mut rows = [(0, first_cell); N];
    let mut i = 0;
    while i < N {
        rows[i].0 = position + i as u32;
        i += 1;
    }
    rows
}

/// Whole prompts and parts of them, for the tiles: of 32 cells, and of so many rows as have 64 or 32 queries.
const PROMPTS: [Shape; 14] = [
    shape(3, 1, 64, 0, 0.0, &consecutive::<43>(0, 5)),
    shape(4, 2, 32, 20, 0.0, &consecutive::<70>(95, 0)),
    shape(7, 1, 64, 0, 30.0, &consecutive::<19>(25, 0)),
    shape(2, 2, 128, 1, 0.0, &consecutive::<66>(0, 0)),
    shape(5, 1, 80, 64, 0.0, &consecutive::<13>(500, 7)),
    shape(4, 1, 256, 33, 0.0, &consecutive::<17>(120, 0)),
    // Heads for more than one workgroup.
    shape(66, 1, 8, 0, 0.0, &consecutive::<3>(40, 0)),
    ahead(43, shape(3, 1, 64, 0, 0.0, &consecutive::<43>(0, 5))),
    ahead(100, shape(4, 2, 32, 0, 0.0, &consecutive::<70>(20, 0))),
    ahead(41, shape(4, 1, 256, 10, 5.0, &consecutive::<17>(20, 3))),
    around(70, 12, shape(4, 2, 32, 0, 0.0, &consecutive::<70>(0, 2))),
    alibi(8.0, shape(5, 1, 80, 64, 0.0, &consecutive::<13>(500, 7))),
    alibi(8.0, ahead(43, shape(12, 2, 64, 0, 0.0, &consecutive::<43>(0, 5)))),
    // Runs of two sequences, a gap in one, and rows of both mixed.
    shape(
        4,
        2,
        64,
        40,
        0.0,
        &[
            (98, 0),
            (99, 0),
            (100, 0),
            (0, 200),
            (1, 200),
            (2, 200),
            (33, 300),
            (34, 300),
            (70, 300),
            (3, 200),
            (101, 0),
            (4, 200),
            (102, 0),
            (5, 200),
            (64, 400),
            (63, 400),
            (65, 400),
            (66, 400),
            (67, 400),
        ],
    ),
];

pub fn run(rig: &mut impl Runs) {
    for kv in Kv::ALL {
        for lanes in Lanes::ALL {
            let mut random = Random::new(6);
            for s in SHAPES.iter().filter(|s| takes(kv, s.head_dim)) {
                let (groups, qh) = spread(s.n_heads / s.n_kv_heads);
                let grid = [s.n_kv_heads * groups, s.rows.len() as u32];
                rig.run(case(&mut random, s, kv, attention::Variant { lanes, kv, qh }, groups, grid));
            }
        }
        let mut random = Random::new(7);
        for s in SHAPES.iter().chain(&PROMPTS).filter(|s| takes(kv, s.head_dim)) {
            // The smallest variant that holds the heads, and the queries of its workgroups.
            let dim = Dim::ALL.into_iter().find(|dim| s.head_dim <= dim.value()).expect("a variant for the heads");
            let queries = if dim == Dim::N256 { 32 } else { 64 };
            let per_kv = s.n_heads / s.n_kv_heads;
            let groups = per_kv.div_ceil(queries);
            let rows = queries / per_kv.div_ceil(groups);
            let grid = [s.n_kv_heads * groups, (s.rows.len() as u32).div_ceil(rows)];
            rig.run(case(&mut random, s, kv, attention_tile::Variant { dim, kv }, groups, grid));
            let grid = [(s.rows.len() as u32).div_ceil(attention_rows::THREADS), s.n_heads];
            rig.run(case(&mut random, s, kv, attention_rows::Variant { dim, kv }, 1, grid));
        }
    }
    single_rows::run(rig);
    wide::run(rig);
}

/// Words from the table that a row names to the one that its layer reads.
pub const TABLES: u32 = 3;

/// Rows at (position, first cell), whose sequences have so many cells at least.
pub fn batch(rows: &[(u32, u32)], fourth: u32, cells: u32) -> Vec<u32> {
    let reach = rows.iter().map(|row| row.0).max().unwrap_or(0).max(cells);
    apart(&rows.iter().map(|&(position, first)| [u32::MAX, position, first, fourth]).collect::<Vec<_>>(), reach)
}

/// The same, to be read with [`TABLES`].
pub fn batch_behind(rows: &[(u32, u32)], fourth: u32, cells: u32) -> Vec<u32> {
    let mut words = batch(rows, fourth, cells);
    words[..4 * rows.len()].chunks_exact_mut(4).for_each(|row| row[2] -= TABLES);
    words
}

/// The workgroups that the query heads of a KV head are spread over, and the heads of each.
pub fn spread(per_kv: u32) -> (u32, Qh) {
    let groups = per_kv.div_ceil(4);
    (groups, Qh::of(per_kv.div_ceil(groups)).expect("a variant of so many heads"))
}

fn case<V>(random: &mut Random, s: &Shape, kv: Kv, variant: V, groups: u32, grid: [u32; 2]) -> Case
where
    V: Face<Params = attention::Params, Bind<Data> = attention::Bind<Data>>,
{
    let stride = (s.n_heads + 2 * s.n_kv_heads) * s.head_dim;
    // Only queries are read here; the keys and values beside them are poison.
    let mut qkv = poison(s.rows.len() * stride as usize);
    for row in qkv.chunks_exact_mut(stride as usize) {
        let size = 6.0 / (s.head_dim as f32).sqrt();
        row[..(s.n_heads * s.head_dim) as usize].iter_mut().for_each(|w| *w = (size * random.unit()).to_bits());
    }
    let sees = |&(position, first_cell): &(u32, u32)| {
        let causal = seen(position, s.window);
        (first_cell, causal.start..causal.end.max(s.ahead).min(causal.end.saturating_add(s.reach)))
    };
    let cells: Vec<_> = s.rows.iter().map(sees).collect();
    let [k, v] = [(); 2].map(|()| cache(random, kv, s.n_kv_heads, s.head_dim, &cells));
    // Where no row sees ahead, the fourth word must not matter.
    let fourth = if s.ahead > 0 { s.ahead } else { 5000 };
    Case::new(
        variant,
        format!(
            "{}:{} heads of {}, window {}, softcap {}, alibi {}, {} of {} ahead, at {:?}",
            s.n_heads, s.n_kv_heads, s.head_dim, s.window, s.softcap, s.alibi, s.reach, s.ahead, s.rows
        ),
        attention::Params {
            n_heads: s.n_heads,
            n_kv_heads: s.n_kv_heads,
            head_dim4: s.head_dim / 4,
            q_stride4: stride / 4,
            window: s.window,
            groups,
            softcap: s.softcap,
            alibi: s.alibi,
            rows: s.rows.len() as u32,
            ahead: s.reach,
            tables: TABLES,
        },
        attention::Bind {
            batch: Data::In(batch_behind(s.rows, fourth, s.ahead)),
            qkv: Data::In(qkv),
            k_cache: Data::In(k),
            v_cache: Data::In(v),
            out: Data::Out(poison(s.rows.len() * (s.n_heads * s.head_dim) as usize)),
        },
        grid,
        CEILING,
    )
}
