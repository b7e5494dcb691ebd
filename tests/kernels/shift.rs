//! Keys that are rotated once more, in the cache.

use sotto::kernels::table::choices::Kv;
use sotto::kernels::table::rope_shift;

use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::cells::{apart, beside};
use crate::host::mirror;
use crate::random::{Random, cache, takes};
use crate::rope::of_cache;

struct Shape {
    n_kv_heads: u32,
    head_dim: u32,
    begin: u32,
    rope_half: u32,
    neox: u32,
    turned: u32,
    /// The sequence's first cell, the first position, and how many there are.
    keys: [u32; 3],
}

const SHAPES: [Shape; 8] = [
    Shape { n_kv_heads: 1, head_dim: 32, begin: 0, rope_half: 16, neox: 0, turned: 1, keys: [0, 0, 1] },
    Shape { n_kv_heads: 3, head_dim: 64, begin: 0, rope_half: 32, neox: 0, turned: 1, keys: [5, 4, 7] },
    Shape { n_kv_heads: 1, head_dim: 256, begin: 0, rope_half: 128, neox: 1, turned: 1, keys: [1, 2, 3] },
    // A part of a head, and heads of blocks without a pair.
    Shape { n_kv_heads: 2, head_dim: 80, begin: 0, rope_half: 20, neox: 1, turned: 1, keys: [0, 9, 2] },
    Shape { n_kv_heads: 2, head_dim: 96, begin: 0, rope_half: 13, neox: 0, turned: 1, keys: [3, 0, 70] },
    // Wide heads.
    Shape { n_kv_heads: 1, head_dim: 512, begin: 0, rope_half: 256, neox: 1, turned: 1, keys: [0, 3, 2] },
    // Latents stay, and are not turned.
    Shape { n_kv_heads: 1, head_dim: 128, begin: 96, rope_half: 16, neox: 1, turned: 0, keys: [2, 1, 3] },
    Shape { n_kv_heads: 1, head_dim: 576, begin: 512, rope_half: 32, neox: 0, turned: 0, keys: [0, 1, 2] },
];

pub fn run(rig: &mut impl Runs) {
    for kv in Kv::ALL {
        let mut random = Random::new(31);
        for s in SHAPES.iter().filter(|s| takes(kv, s.head_dim)) {
            rig.run(case(&mut random, s, rope_shift::Variant { kv }));
        }
    }
}

fn case(random: &mut Random, s: &Shape, variant: rope_shift::Variant) -> Case {
    let [first_cell, position, count] = s.keys;
    let keys = cache(random, variant.kv, s.n_kv_heads, s.head_dim, &[(first_cell, position..position + count)]);
    let batch = apart(&[[0, 0, first_cell, 0]], position + count);
    let angles = (0..s.rope_half).flat_map(|i| {
        let (sin, cos) = (-300.0 * 1e4f64.powf(-f64::from(i) / f64::from(s.rope_half))).sin_cos();
        [cos as f32, sin as f32]
    });
    Case::new(
        variant,
        format!("{} heads of {}, {} pairs from {}, at {:?}", s.n_kv_heads, s.head_dim, s.rope_half, s.begin, s.keys),
        rope_shift::Params {
            table: 4,
            position,
            n_kv_heads: s.n_kv_heads,
            head_dim4: s.head_dim / 4,
            begin: s.begin,
            rope_half: s.rope_half,
            neox: s.neox,
            turned: s.turned,
        },
        rope_shift::Bind {
            batch: Data::In(batch),
            angles: Data::In(bits(&angles.collect::<Vec<f32>>())),
            k_cache: Data::OutHeads(keys, variant.kv, s.head_dim),
        },
        [s.n_kv_heads, count],
        of_cache(variant.kv),
    )
}

#[test]
fn keys_are_rotated_once_more_by_hand() {
    // A quarter and a half turn of two pairs, behind the first of three cells of one head of 8.
    let params = rope_shift::Params {
        table: 4,
        position: 1,
        n_kv_heads: 1,
        head_dim4: 2,
        begin: 4,
        rope_half: 2,
        neox: 0,
        turned: 0,
    };
    let key = [9.0, 8.0, 7.0, 6.0, 1.0, 2.0, 3.0, 4.0];
    let keys = bits(&[key; 3].concat());
    let angles = bits(&[0.0, 1.0, -1.0, 0.0]);
    let batch = beside(&[[0, 0, 1, 0]], 1);
    let bind = || rope_shift::Bind { batch: &batch[..], angles: &angles[..], k_cache: &keys[..] };
    let variant = rope_shift::Variant { kv: Kv::F32 };
    let out = mirror(variant, params, bind(), [1, 1]);
    assert_eq!(floats(&out.k_cache)[..16], [key; 2].concat());
    close(&floats(&out.k_cache)[16..], &[9.0, 8.0, 7.0, 6.0, -2.0, 1.0, -3.0, -4.0], 1e-6);
    // In halves: elements 4 and 6, 5 and 7.
    let out = mirror(variant, rope_shift::Params { neox: 1, ..params }, bind(), [1, 1]);
    close(&floats(&out.k_cache)[16..], &[9.0, 8.0, 7.0, 6.0, -3.0, -2.0, 1.0, -4.0], 1e-6);
}
