//! The CPU backend's kernels against their mirrors, in the cases that the shaders are tested with.

use sotto::kernels::table::attention;
use sotto::kernels::table::choices::{Kv, Lanes, Qh};

use crate::case::{bits, floats};
use crate::cells::beside;
use crate::host::{Rig, simd};
use crate::product::arranged;
use crate::random::Random;
use crate::{elementwise, experts, latent, lora, norm, recurrent, rope, sample, shift};

#[test]
fn norms_and_activations() {
    Rig::check(&["norm", "elementwise"], |rig| {
        norm::run(rig);
        elementwise::run(rig);
    });
}

#[test]
fn rotation_and_cache() {
    Rig::check(&["rope"], |rig| {
        rope::run(rig);
        latent::run(rig);
        shift::run(rig);
    });
}

#[test]
fn attention_of_many_rows_and_of_single_ones() {
    Rig::check(&["attention"], crate::attention::run);
}

#[test]
fn sampling() {
    Rig::check(&["sample"], sample::run);
}

#[test]
fn products_of_one_row_and_of_many() {
    Rig::check(&["product"], |rig| {
        arranged::single_rows(rig);
        arranged::many_rows(rig);
        arranged::experts(rig);
        arranged::by_head(rig);
    });
}

#[test]
fn choices_of_experts() {
    Rig::check(&["experts"], experts::run);
}

#[test]
fn products_of_adapters() {
    Rig::check(&["lora"], lora::run);
}

#[test]
fn states_of_sequences() {
    Rig::check(&["recurrent"], recurrent::run);
}

#[test]
fn embeddings() {
    Rig::check(&["gather"], arranged::embeddings);
}

#[test]
fn what_is_no_number_is_passed_on() {
    // Two heads of 8 on one KV head; 3 rows see 1, 2 and 3 cells.
    let (dim, rows) = (8, 3);
    let attention = |q: f32, k: f32, v: f32, softcap: f32| {
        let params = attention::Params {
            n_heads: 2,
            n_kv_heads: 1,
            head_dim4: 2,
            q_stride4: 8,
            softcap,
            groups: 1,
            rows,
            ..Default::default()
        };
        let batch = beside(&[0, 1, 2].map(|r| [0, r, 0, 0]), rows);
        let mut qkv = vec![1.0f32; 3 * 4 * dim];
        // In the second head of the second row, and in the second cell.
        qkv[4 * dim + dim + 3] = q;
        let cache = |odd: f32| {
            let mut cells = vec![0.5f32; 3 * dim];
            cells[dim + 5] = odd;
            bits(&cells)
        };
        let bind = attention::Bind {
            batch: &batch[..],
            qkv: &bits(&qkv),
            k_cache: &cache(k),
            v_cache: &cache(v),
            out: &vec![0; 3 * 2 * dim],
        };
        let variant = attention::Variant { lanes: Lanes::Tree, kv: Kv::F32, qh: Qh::N2 };
        let out = simd(variant, params, bind, [1, rows]).out;
        let bad = |head: &[f32]| head.iter().any(|value| !value.is_finite());
        floats(&out).chunks(dim).map(bad).collect::<Vec<bool>>()
    };
    let (second_head, second_cell) =
        ([false, false, false, true, false, false], [false, false, true, true, true, true]);
    for softcap in [0.0, 20.0] {
        assert_eq!(attention(1.0, 1.0, 1.0, softcap), [false; 6]);
        assert_eq!(attention(f32::NAN, 1.0, 1.0, softcap), second_head);
        assert_eq!(attention(1.0, f32::NAN, 1.0, softcap), second_cell);
        assert_eq!(attention(1.0, 1.0, f32::NAN, softcap), second_cell);
        assert_eq!(attention(1.0, 1.0, f32::INFINITY, softcap), second_cell);
    }
    // An endless score, as the mirror has it: infinity less itself.
    assert_eq!(attention(f32::INFINITY, 1.0, 1.0, 0.0), second_head);
    assert_eq!(attention(1.0, f32::INFINITY, 1.0, 0.0), second_cell);
}

#[test]
fn a_row_does_not_depend_on_those_beside_it() {
    let (heads, dim) = (3, 72);
    let mut random = Random::new(3);
    // Two sequences in turns; some rows look back over several tiles.
    let rows: Vec<[u32; 4]> =
        (0..37).map(|r| [0, 90 + r + 50 * (r % 3), 400 * (r / 5 % 2), 200 + 50 * (r / 5 % 2)]).collect();
    let stride = (heads + 2) * dim;
    let qkv = random.floats(rows.len() * stride, 0.5);
    let cache = |random: &mut Random| -> Vec<u32> {
        let pair = |random: &mut Random| [random.unit(), random.unit()].map(half::f16::from_f32);
        (0..700 * dim / 2).map(|_| bytemuck::cast(pair(random).map(half::f16::to_bits))).collect()
    };
    let (k, v) = (cache(&mut random), cache(&mut random));
    for (window, ahead) in [(0, 0), (77, 0), (0, u32::MAX), (77, 30)] {
        let attend = |rows: &[[u32; 4]], qkv: &[f32]| {
            let count = rows.len() as u32;
            let params = attention::Params {
                n_heads: heads as u32,
                n_kv_heads: 1,
                head_dim4: dim as u32 / 4,
                q_stride4: stride as u32 / 4,
                window,
                groups: 1,
                softcap: 0.0,
                alibi: 8.0,
                rows: count,
                ahead,
                tables: 0,
            };
            let bind = attention::Bind {
                batch: &beside(rows, 250)[..],
                qkv: &bits(qkv),
                k_cache: &k,
                v_cache: &v,
                out: &vec![0; rows.len() * heads * dim],
            };
            let variant = attention::Variant { lanes: Lanes::Tree, kv: Kv::Pack16, qh: Qh::N3 };
            simd(variant, params, bind, [1, count]).out
        };
        let together = attend(&rows, &qkv);
        for (i, (row, want)) in rows.iter().zip(together.chunks(heads * dim)).enumerate() {
            let alone = attend(std::slice::from_ref(row), &qkv[i * stride..(i + 1) * stride]);
            assert!(alone == want, "row {i}, window {window}, ahead {ahead}");
        }
    }
}
