//! The CPU backend's kernels against their mirrors, in the cases that the shaders are tested with.

#[path = "../kernels/attention.rs"]
mod attention;
#[path = "../common/compare.rs"]
#[allow(dead_code)] // What only other tests need.
mod compare;
#[path = "../kernels/decode_attention.rs"]
mod decode_attention;
#[path = "../kernels/glu.rs"]
mod glu;
#[path = "rig.rs"]
mod gpu;
mod products;
#[path = "../kernels/random.rs"]
#[allow(dead_code)] // What only other tests need.
mod random;
#[path = "../kernels/rmsnorm.rs"]
mod rmsnorm;
#[path = "../kernels/rope_kv.rs"]
mod rope_kv;
#[path = "../kernels/sample.rs"]
mod sample;

use sotto::kernels::cpu::Scratch;
use sotto::kernels::params::Attention;

/// Kernels in f32 differ from their mirror, which sums in f64, by roundings alone.
const F32: f64 = 1e-12;

const REDUCES: [&str; 1] = ["tree"];

#[test]
fn norms_and_activations() {
    gpu::Rig::check(&["rmsnorm", "glu"], |rig| {
        rmsnorm::run(rig);
        glu::run(rig);
    });
}

#[test]
fn rotation_and_cache() {
    gpu::Rig::check(&["rope_kv"], rope_kv::run);
}

#[test]
fn attention_of_many_rows() {
    gpu::Rig::check(&["attention"], attention::run);
}

#[test]
fn attention_of_single_rows() {
    gpu::Rig::check(&["decode_attention", "attention_combine"], decode_attention::run);
}

#[test]
fn sampling() {
    let kernels = ["sample_scan", "sample_take", "sample_bins", "sample_gather", "sample_pick"];
    gpu::Rig::check(&kernels, sample::run);
}

#[test]
fn what_is_no_number_is_passed_on() {
    // Two heads of 8 on one KV head; 3 rows see 1, 2 and 3 cells.
    let (dim, rows) = (8, 3);
    let attention = |q: f32, k: f32, v: f32, softcap: f32| {
        let params = Attention {
            n_heads: 2,
            n_kv_heads: 1,
            head_dim4: 2,
            q_stride4: 8,
            softcap,
            groups: 1,
            rows,
            ..Default::default()
        };
        let batch: Vec<u32> = (0..rows).flat_map(|r| [0, r, 0, 0]).collect();
        let mut qkv = vec![1.0f32; 3 * 4 * dim];
        // In the second head of the second row, and in the second cell.
        qkv[4 * dim + dim + 3] = q;
        let cache = |odd: f32| {
            let mut cells = vec![0.5f32; 3 * dim];
            cells[dim + 5] = odd;
            gpu::floats(&cells)
        };
        let buffers = [batch, gpu::floats(&qkv), cache(k), cache(v), vec![0; 3 * 2 * dim]];
        let bytes = bytemuck::bytes_of(&params);
        let after = gpu::after("attention.tree.f32.qh2", bytes, [1, 3, 1], &buffers, |simd, job, pieces| {
            (simd.run)(job, 0..pieces, &mut Scratch::default());
        });
        let bad = |head: &[u32]| head.iter().any(|bits| !f32::from_bits(*bits).is_finite());
        after[4].chunks(dim).map(bad).collect::<Vec<bool>>()
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
    let mut random = random::Random::new(3);
    // Two sequences in turns; some rows look back over several tiles.
    let rows: Vec<[u32; 4]> =
        (0..37).map(|r| [0, 90 + r + 50 * (r % 3), 400 * (r / 5 % 2), 200 + 50 * (r / 5 % 2)]).collect();
    let stride = (heads + 2) * dim;
    let qkv = random.floats(rows.len() * stride, 0.5);
    let cache = |random: &mut random::Random| -> Vec<u32> {
        let pair = |random: &mut random::Random| [random.unit(), random.unit()].map(half::f16::from_f32);
        (0..700 * dim / 2).map(|_| bytemuck::cast(pair(random).map(half::f16::to_bits))).collect()
    };
    let (k, v) = (cache(&mut random), cache(&mut random));
    for (window, ahead) in [(0, 0), (77, 0), (0, 1), (77, 1)] {
        let attend = |rows: &[[u32; 4]], qkv: &[f32]| {
            let count = rows.len() as u32;
            let params = Attention {
                n_heads: heads as u32,
                n_kv_heads: 1,
                head_dim4: dim as u32 / 4,
                q_stride4: stride as u32 / 4,
                window,
                groups: 1,
                softcap: 0.0,
                rows: count,
                ahead,
                pad: [0; 3],
            };
            let out = vec![0; rows.len() * heads * dim];
            let buffers = [rows.as_flattened().to_vec(), gpu::floats(qkv), k.clone(), v.clone(), out];
            let bytes = bytemuck::bytes_of(&params);
            let mut after =
                gpu::after("attention.tree.pack16.qh3", bytes, [1, count, 1], &buffers, |simd, job, pieces| {
                    (simd.run)(job, 0..pieces, &mut Scratch::default());
                });
            after.pop().expect("an output")
        };
        let together = attend(&rows, &qkv);
        for (i, (row, want)) in rows.iter().zip(together.chunks(heads * dim)).enumerate() {
            let alone = attend(std::slice::from_ref(row), &qkv[i * stride..(i + 1) * stride]);
            assert!(alone == want, "row {i}, window {window}, ahead {ahead}");
        }
    }
}
