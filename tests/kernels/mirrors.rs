//! The mirrors against arithmetic written another way: numbers worked out by hand, and formulas in f64 from the
//! weights as the file holds them.

use sotto::base::buffer::BufferId;
use sotto::device::memory::Memory;
use sotto::device::recording::Recording;
use sotto::device::reference::CpuMemory;
use sotto::kernels::params::{
    Attention, AttentionCombine, DecodeAttention, Embed, Glu, MatMul, MatVec, RmsNorm, RopeKv,
};
use sotto::model::rope;
use sotto::quant::{self, TensorType};

use crate::random::{Random, part};

/// Runs one dispatch on the mirrors and gives every buffer afterwards. `Words` may be shared by two bindings.
pub fn mirror<P: bytemuck::Pod>(variant: &str, params: P, inputs: &[&[u32]], grid: [u32; 2]) -> Vec<Vec<u32>> {
    let mut memory = CpuMemory::default();
    let buffers: Vec<BufferId> = inputs
        .iter()
        .map(|words| {
            let id = memory.alloc("test", words.len() as u64 * 4).unwrap();
            memory.write(id, 0, bytemuck::cast_slice(words));
            id
        })
        .collect();
    let mut recording = Recording::default();
    recording.push(variant, params, &buffers, grid).unwrap();
    memory.run(&recording);
    let read = |(id, words): (&BufferId, &&[u32])| memory.read(*id)[..words.len()].to_vec();
    buffers.iter().zip(inputs).map(read).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    crate::gpu::floats(values)
}

fn float(words: &[u32]) -> &[f32] {
    bytemuck::cast_slice(words)
}

#[track_caller]
fn close(got: &[f32], want: &[f64], within: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!((got as f64 - want).abs() <= within, "element {i} is {got}, not {want}");
    }
}

#[test]
fn rmsnorm_by_hand() {
    // The mean of squares of (3, 4, 0, 0) is 6.25, its root 2.5; of (1, 1, 1, 1) with eps 3 it is 2.
    let x = bits(&[3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let weight = bits(&[1.0, 2.0, 1.0, -1.0]);
    let plain = RmsNorm { k4: 1, eps: 0.0, gather: 0, accumulate: 0 };
    let out = mirror("rmsnorm.tree", plain, &[&x, &weight, &[0; 4], &[0; 8]], [1, 2]);
    close(float(&out[3]), &[1.2, 3.2, 0.0, 0.0, 1.0, 2.0, 1.0, -1.0], 1e-6);
    // Row 1 gathered, halved by eps, added to 10.
    let added = RmsNorm { k4: 1, eps: 3.0, gather: 1, accumulate: 1 };
    let out = mirror("rmsnorm.tree", added, &[&x, &weight, &[1], &bits(&[10.0; 4])], [1, 1]);
    close(float(&out[3]), &[10.5, 11.0, 10.5, 9.5], 1e-6);
}

#[test]
fn glu_by_hand() {
    // SiLU(1) = 1/(1 + 1/e); GELU's tanh form at 1 and -0.5, from its published formula.
    let gates = [1.0, -0.5, 0.0, 30.0];
    let ups = [2.0, 1.0, 5.0, 0.5];
    let gate_up = bits(&[gates, ups].concat());
    let silu = mirror("glu", Glu { f4: 1, gelu: 0, pad: [0; 2] }, &[&gate_up, &[0; 4]], [1, 1]);
    close(float(&silu[1]), &[1.462_117_157_260, -0.188_770_334_399, 0.0, 15.0], 1e-6);
    let gelu = mirror("glu", Glu { f4: 1, gelu: 1, pad: [0; 2] }, &[&gate_up, &[0; 4]], [1, 1]);
    close(float(&gelu[1]), &[1.682_383_983_8, -0.154_285_993_9, 0.0, 15.0], 1e-6);
    for (i, &g) in gates.iter().enumerate() {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (g as f64 + 0.044715 * (g as f64).powi(3));
        let want = 0.5 * g as f64 * (1.0 + inner.tanh()) * ups[i] as f64;
        close(&float(&gelu[1])[i..=i], &[want], 2e-6);
    }
}

#[test]
fn embed_takes_rows_of_the_file() {
    let mut random = Random::new(7);
    let (k, n_rows, first_row) = (96, 8, 100);
    for kind in TensorType::ALL {
        let part = part(&mut random, kind, n_rows * k, 0);
        let mut file = vec![0.0; n_rows * k];
        quant::dequantize(kind, &part.blocks[..file.len() / kind.block_len() * kind.block_bytes()], &mut file);
        let params =
            Embed { planes: part.planes, k_blocks: k as u32 / 32, first_row, n_rows: n_rows as u32, scale: 3.0 };
        let tokens = [103, 99, 107, 108, 100];
        let batch: Vec<u32> = tokens.iter().flat_map(|&t| [t, 0, 0, 0]).collect();
        let variant = format!("embed.{}", kind.name().to_lowercase());
        let out = mirror(&variant, params, &[&part.words, &part.words, &batch, &bits(&vec![8.0; 5 * k])], [1, 5]);
        for (row, token) in float(&out[3]).chunks_exact(k).zip(tokens) {
            let want: Vec<f64> = match token {
                100..=107 => file[(token as usize - 100) * k..][..k].iter().map(|&w| w as f64 * 3.0).collect(),
                _ => vec![8.0; k],
            };
            close(row, &want, 1e-5);
        }
    }
}

#[test]
fn products_are_those_of_the_file() {
    let mut random = Random::new(8);
    let (n, k, m, stride, column) = (9, 160, 3, 14, 4);
    for kind in TensorType::ALL {
        let part = part(&mut random, kind, n * k, 999);
        let mut file = vec![0.0; (n * k).next_multiple_of(quant::UNIT)];
        quant::dequantize(kind, &part.blocks, &mut file);
        let x = random.floats(m * k, 1.0);
        let bias = random.floats(stride, 1.0);
        for (has_bias, accumulate) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let params = MatMul {
                planes: part.planes,
                n: n as u32,
                k_blocks: k as u32 / 32,
                out_stride: stride as u32,
                column: column as u32,
                has_bias,
                accumulate,
                m: m as u32,
                pad: 0,
            };
            // Column by column of W, into what was there.
            let mut want = vec![0.5f64; m * stride];
            for row in 0..m {
                for j in column..column + n {
                    let start = if accumulate == 1 { 0.5 } else { 0.0 };
                    want[row * stride + j] = start + if has_bias == 1 { bias[j] as f64 } else { 0.0 };
                }
            }
            for i in (0..k).rev() {
                for j in 0..n {
                    for row in 0..m {
                        want[row * stride + column + j] += file[j * k + i] as f64 * x[row * k + i] as f64;
                    }
                }
            }
            let inputs: [&[u32]; 5] =
                [&part.words, &part.words, &bits(&x), &bits(&bias), &bits(&vec![0.5; m * stride])];
            let format = kind.name().to_lowercase();
            let out = mirror(&format!("matmul.{format}.direct"), params, &inputs, [1, m as u32]);
            close(float(&out[4]), &want, 1e-5);
            let params = MatVec {
                planes: part.planes,
                n: n as u32,
                k_blocks: k as u32 / 32,
                out_stride: stride as u32,
                column: column as u32,
                has_bias,
                accumulate,
                ..MatVec::default()
            };
            let [w, again, x, bias, out] = inputs;
            let inputs = [w, again, x, bias, &[0; 4], &[0; 4], out];
            let out = mirror(&format!("matvec.{format}.tree"), params, &inputs, [1, m as u32]);
            close(float(&out[6]), &want, 1e-5);
        }
    }
}

#[test]
fn a_fused_product_is_its_steps_one_by_one() {
    let mut random = Random::new(18);
    let (f, k) = (7, 64);
    let part = part(&mut random, TensorType::Q4_K, 2 * f * k, 0);
    let (x, norm) = (bits(&random.floats(3 * k, 2.0)), bits(&random.floats(k, 2.0)));
    let rows = [2u32, 0];
    let normed = RmsNorm { k4: k as u32 / 4, eps: 0.5, gather: 1, accumulate: 0 };
    let normed = mirror("rmsnorm.tree", normed, &[&x, &norm, &rows, &vec![0; 2 * k]], [1, 2]);
    let (planes, n, k_blocks) = (part.planes, 2 * f as u32, k as u32 / 32);
    let product = MatMul { planes, n, k_blocks, out_stride: n, m: 2, ..MatMul::default() };
    let inputs: [&[u32]; 5] = [&part.words, &part.words, &normed[3], &[0; 4], &vec![0; 4 * f]];
    let product = mirror("matmul.q4_k.direct", product, &inputs, [1, 2]);
    let product = float(&product[4]);
    for glu in [1, 2] {
        let params = MatVec {
            planes,
            n,
            k_blocks,
            out_stride: f as u32,
            gather: 1,
            has_norm: 1,
            eps: 0.5,
            glu,
            ..MatVec::default()
        };
        let inputs: [&[u32]; 7] = [&part.words, &part.words, &x, &[0; 4], &norm, &rows, &vec![0; 2 * f]];
        let fused = mirror("matvec.q4_k.tree", params, &inputs, [1, 2]);
        let want: Vec<f64> = (0..2 * f)
            .map(|i| {
                let row = i / f * 2 * f;
                let (g, up) = (product[row + i % f] as f64, product[row + f + i % f] as f64);
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                up * g * if glu == 1 { 1.0 / (1.0 + (-g).exp()) } else { 0.5 * (1.0 + inner.tanh()) }
            })
            .collect();
        close(float(&fused[6]), &want, 1e-5);
    }
}

#[test]
fn attention_of_one_row_is_rope_and_attention_however_it_is_split() {
    let mut random = Random::new(19);
    let (heads, kv_heads, dim, position, first_cell) = (4, 2, 8, 21, 3);
    let qkv = bits(&random.floats((heads + 2 * kv_heads) * dim, 2.0));
    let (q_norm, k_norm) = (bits(&random.floats(dim, 2.0)), bits(&random.floats(dim, 2.0)));
    let table = bits(&rope::table(dim as u32, 1e4, 1.0, &[], 256));
    let cache = |random: &mut Random| bits(&random.floats(30 * kv_heads * dim, 1.0));
    let (k_cache, v_cache) = (cache(&mut random), cache(&mut random));
    let batch = [0, position, first_cell, 0];
    let (n_heads, n_kv_heads) = (heads as u32, kv_heads as u32);
    let rotation = RopeKv {
        n_heads,
        n_kv_heads,
        head_dim: dim as u32,
        rope_half: dim as u32 / 2,
        neox: 1,
        has_norm: 1,
        eps: 0.1,
        attn_scale: 0.5,
        rows: 1,
        ..RopeKv::default()
    };
    let rotated = [&batch[..], &q_norm, &k_norm, &table, &qkv, &k_cache, &v_cache];
    let rotated = mirror("rope_kv.tree.f32", rotation, &rotated, [8, 1]);
    let dim4 = dim as u32 / 4;
    let plain = Attention {
        n_heads,
        n_kv_heads,
        head_dim4: dim4,
        q_stride4: 8 * dim4,
        window: 15,
        groups: 1,
        softcap: 3.0,
        rows: 1,
        ahead: 0,
        pad: [0; 3],
    };
    let inputs: [&[u32]; 5] = [&batch, &rotated[4], &rotated[5], &rotated[6], &vec![0; heads * dim]];
    let want = mirror("attention.tree.f32.qh2", plain, &inputs, [2, 1]);
    let want: Vec<f64> = float(&want[4]).iter().map(|&v| v as f64).collect();
    for splits in [1, 2, 4, 16] {
        let params = DecodeAttention {
            n_heads,
            n_kv_heads,
            head_dim4: dim4,
            rope_half: dim as u32 / 2,
            neox: 1,
            has_norm: 1,
            eps: 0.1,
            attn_scale: 0.5,
            window: 15,
            groups: 1,
            softcap: 3.0,
            splits,
        };
        let size = if splits == 1 { heads * dim } else { heads * splits as usize * (dim + 4) };
        let out = vec![0; size];
        let inputs: [&[u32]; 8] = [&batch, &qkv, &q_norm, &k_norm, &table, &k_cache, &v_cache, &out];
        let got = mirror("decode_attention.tree.f32.qh2", params, &inputs, [2, splits]);
        assert!(got[5] == rotated[5] && got[6] == rotated[6], "{splits} parts: another cache");
        let mut whole = got[7].clone();
        if splits > 1 {
            let combine = AttentionCombine { dim4, splits, pad: [0; 2] };
            whole =
                mirror("attention_combine", combine, &[&whole, &vec![0; heads * dim]], [heads as u32, 1])[1].clone();
        }
        close(float(&whole), &want, 1e-5);
    }
}

/// Heads of 4 in one sequence whose cells start at 2: q, k and v rows of one head each, and both caches.
fn rope_row(params: RopeKv, position: u32, qkv: &[f32], norm: &[f32], table: &[f32]) -> [Vec<f32>; 3] {
    let cells = position + 4;
    let cache = vec![0; cells as usize * 4];
    let batch = [0, position, 2, 0];
    let inputs: [&[u32]; 7] = [&batch, &bits(norm), &bits(norm), &bits(table), &bits(qkv), &cache, &cache];
    let out = mirror("rope_kv.tree.f32", params, &inputs, [3, 1]);
    let cell = |b: usize| float(&out[b])[(position as usize + 2) * 4..][..4].to_vec();
    [float(&out[4]).to_vec(), cell(5), cell(6)]
}

#[test]
fn rope_by_hand() {
    // Two pairs are rotated by p and p / 100: theta^(-2/4) of 10000.
    let table = rope::table(4, 1e4, 1.0, &[], 1024);
    let mut params = RopeKv {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 4,
        rope_half: 2,
        neox: 0,
        has_norm: 0,
        eps: 0.0,
        attn_scale: 0.5,
        rows: 1,
        ..RopeKv::default()
    };
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
    let table = rope::table(2, 1e4, 1.0, &[], 1024);
    let params = RopeKv {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 4,
        rope_half: 1,
        neox: 1,
        has_norm: 1,
        eps: 0.0,
        attn_scale: 1.0,
        rows: 1,
        ..RopeKv::default()
    };
    let [q, k, v] = rope_row(params, 5, &[2.0; 12], &[1.0, 0.0, 3.0, 4.0], &table);
    let (sin, cos) = 5f64.sin_cos();
    close(&q[..4], &[cos, sin, 3.0, 4.0], 1e-6);
    close(&k, &[cos, sin, 3.0, 4.0], 1e-6);
    assert_eq!(v, [2.0; 4]);
}

#[test]
fn scores_after_rope_depend_on_distance_alone() {
    let table = rope::table(4, 1e4, 1.0, &[], 1024);
    let params = RopeKv {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 4,
        rope_half: 2,
        neox: 1,
        has_norm: 0,
        eps: 0.0,
        attn_scale: 1.0,
        rows: 1,
        ..RopeKv::default()
    };
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
    let table = rope::table(4, 1e4, 1.0, &[], 256);
    let params = RopeKv {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 4,
        rope_half: 2,
        neox: 0,
        has_norm: 0,
        eps: 0.0,
        attn_scale: 1.0,
        rows: 1,
        ..RopeKv::default()
    };
    let qkv = bits(&[0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.5, 65504.0, 1.0 + 1.0 / 2048.0, 3.0, 1e-8, -0.0]);
    let cache = [0; 4];
    let inputs: [&[u32]; 7] = [&[0, 0, 0, 0], &[], &[], &bits(&table), &qkv, &cache, &cache];
    let out = mirror("rope_kv.tree.pack16", params, &inputs, [3, 1]);
    assert_eq!(out[5][..2], [0xc000_3c00, 0x7bff_3800]);
    // Halfway goes to even; what is too small goes to zero.
    assert_eq!(out[6][..2], [0x4200_3c00, 0x8000_0000]);
}

#[test]
fn attention_by_hand() {
    // One head of 4, cells from 1 on: equal scores average the values.
    let params = Attention {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim4: 1,
        q_stride4: 3,
        window: 0,
        groups: 1,
        softcap: 0.0,
        rows: 1,
        ahead: 0,
        pad: [0; 3],
    };
    let nan = f32::NAN;
    let values = [nan, nan, nan, nan, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 0.0, 8.0, 8.0, 8.0, 8.0];
    let keys = [nan, nan, nan, nan, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let run = |params: Attention, q: [f32; 4], position: u32| {
        let qkv = [q.to_vec(), vec![nan; 8]].concat();
        let inputs: [&[u32]; 5] = [&[0, position, 1, 3], &bits(&qkv), &bits(&keys), &bits(&values), &[0; 4]];
        float(&mirror("attention.tree.f32.qh1", params, &inputs, [1, 1])[4]).to_vec()
    };
    close(&run(params, [0.0; 4], 2), &[4.0, 4.0, 4.0, 4.0], 1e-6);
    close(&run(params, [0.0; 4], 1), &[2.0, 2.0, 2.0, 2.0], 1e-6);
    close(&run(Attention { window: 1, ..params }, [0.0; 4], 1), &[3.0, 2.0, 1.0, 0.0], 1e-6);
    close(&run(Attention { window: 2, ..params }, [0.0; 4], 2), &[5.5, 5.0, 4.5, 4.0], 1e-6);
    // The first of three cells, and all of them.
    close(&run(params, [0.0; 4], 0), &[1.0, 2.0, 3.0, 4.0], 1e-6);
    close(&run(Attention { ahead: 1, ..params }, [0.0; 4], 0), &[4.0, 4.0, 4.0, 4.0], 1e-6);
    // Scores ln 3 and 0: weights 3/4 and 1/4.
    let q = [3f32.ln(), 0.0, 0.0, 0.0];
    close(&run(params, q, 1), &[1.5, 2.0, 2.5, 3.0], 1e-6);
    // 2 tanh(s / 2) = ln 3 where s = 2 atanh(ln 3 / 2).
    let capped = [2.0 * (3f32.ln() / 2.0).atanh(), 0.0, 0.0, 0.0];
    close(&run(Attention { softcap: 2.0, ..params }, capped, 1), &[1.5, 2.0, 2.5, 3.0], 1e-6);
}

#[test]
fn query_heads_share_their_kv_head() {
    // 4 query heads on 2 KV heads, all weight on one cell: the value's first element says which head it was.
    let params = Attention {
        n_heads: 4,
        n_kv_heads: 2,
        head_dim4: 1,
        q_stride4: 8,
        window: 0,
        groups: 1,
        softcap: 0.0,
        rows: 1,
        ahead: 0,
        pad: [0; 3],
    };
    let qkv = bits(&[0.0; 32]);
    let values = bits(&[7.0, 0.0, 0.0, 1.0, 9.0, 0.0, 0.0, 2.0]);
    let inputs: [&[u32]; 5] = [&[0, 0, 0, 0], &qkv, &bits(&[1.0; 8]), &values, &[0; 16]];
    let out = mirror("attention.tree.f32.qh2", params, &inputs, [2, 1]);
    let heads: Vec<f32> = float(&out[4]).chunks_exact(4).map(|head| head[0]).collect();
    assert_eq!(heads, [7.0, 7.0, 9.0, 9.0]);
}

#[test]
fn attention_in_f64() {
    // Softmax without a maximum taken out, over sequences apart in the cache, as one sum of products a head.
    let mut random = Random::new(9);
    let (heads, kv_heads, dim, cells) = (6, 2, 8, 50);
    let rows = [(0u32, 30u32), (4, 30), (19, 2)];
    let width = (heads + 2 * kv_heads) * dim;
    let qkv = random.floats(rows.len() * width, 1.0);
    let [k, v] = [(); 2].map(|()| random.floats(cells * kv_heads * dim, 1.0));
    for (window, softcap) in [(0u32, 0.0f32), (5, 0.0), (3, 1.5), (100, 0.7)] {
        let params = Attention {
            n_heads: heads as u32,
            n_kv_heads: kv_heads as u32,
            head_dim4: dim as u32 / 4,
            q_stride4: width as u32 / 4,
            window,
            groups: 1,
            softcap,
            rows: rows.len() as u32,
            ahead: 0,
            pad: [0; 3],
        };
        let mut want = Vec::new();
        for (r, &(position, first)) in rows.iter().enumerate() {
            for h in 0..heads {
                let mut sums = vec![0.0f64; dim + 1];
                for c in 0..=position {
                    if window > 0 && position - c >= window {
                        continue;
                    }
                    let at = ((first + c) as usize * kv_heads + h * kv_heads / heads) * dim;
                    let mut score: f64 = (0..dim).map(|i| qkv[r * width + h * dim + i] as f64 * k[at + i] as f64).sum();
                    if softcap > 0.0 {
                        score = softcap as f64 * (score / softcap as f64).tanh();
                    }
                    (0..dim).for_each(|i| sums[i] += score.exp() * v[at + i] as f64);
                    sums[dim] += score.exp();
                }
                want.extend((0..dim).map(|i| sums[i] / sums[dim]));
            }
        }
        let batch: Vec<u32> = rows.iter().flat_map(|&(p, c)| [0, p, c, 0]).collect();
        let inputs: [&[u32]; 5] = [&batch, &bits(&qkv), &bits(&k), &bits(&v), &vec![0; want.len()]];
        let out = mirror("attention.tree.f32.qh3", params, &inputs, [2, rows.len() as u32]);
        close(float(&out[4]), &want, 1e-6);
    }
}
