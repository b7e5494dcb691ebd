//! The mirrors of attention against numbers worked out by hand, and formulas in f64.

use sotto::kernels::table::choices::{Kv, Lanes, Merge, Qh, Reduce};
use sotto::kernels::table::{attention, attention_combine, decode_attention, rope_kv};

use crate::case::{bits, close, floats};
use crate::cells::beside;
use crate::host::mirror;
use crate::random::Random;

/// One head of 4 in one row.
const ONE_HEAD: attention::Params = attention::Params {
    n_heads: 1,
    n_kv_heads: 1,
    head_dim4: 1,
    q_stride4: 3,
    window: 0,
    groups: 1,
    softcap: 0.0,
    alibi: 0.0,
    rows: 1,
    ahead: 0,
    tables: 0,
};

/// The output of attention with so many query heads on each KV head.
fn attend(qh: Qh, params: attention::Params, bind: attention::Bind<&[u32]>) -> Vec<f32> {
    let variant = attention::Variant { lanes: Lanes::Tree, kv: Kv::F32, qh };
    floats(&mirror(variant, params, bind, [params.n_kv_heads, params.rows]).out).to_vec()
}

#[test]
fn attention_by_hand() {
    // Cells from 1 on: equal scores average the values.
    let nan = f32::NAN;
    let values = bits(&[nan, nan, nan, nan, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 0.0, 8.0, 8.0, 8.0, 8.0]);
    let keys = bits(&[nan, nan, nan, nan, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    let run = |params: attention::Params, q: [f32; 4], position: u32| {
        let (batch, qkv) = (beside(&[[0, position, 1, 3]], 3), bits(&[&q[..], &[nan; 8]].concat()));
        let bind = attention::Bind { batch: &batch[..], qkv: &qkv, k_cache: &keys, v_cache: &values, out: &[0; 4] };
        attend(Qh::N1, params, bind)
    };
    close(&run(ONE_HEAD, [0.0; 4], 2), &[4.0, 4.0, 4.0, 4.0], 1e-6);
    close(&run(ONE_HEAD, [0.0; 4], 1), &[2.0, 2.0, 2.0, 2.0], 1e-6);
    close(&run(attention::Params { window: 1, ..ONE_HEAD }, [0.0; 4], 1), &[3.0, 2.0, 1.0, 0.0], 1e-6);
    close(&run(attention::Params { window: 2, ..ONE_HEAD }, [0.0; 4], 2), &[5.5, 5.0, 4.5, 4.0], 1e-6);
    // The first of three cells, two and all of them.
    close(&run(ONE_HEAD, [0.0; 4], 0), &[1.0, 2.0, 3.0, 4.0], 1e-6);
    close(&run(attention::Params { ahead: 1, ..ONE_HEAD }, [0.0; 4], 0), &[2.0, 2.0, 2.0, 2.0], 1e-6);
    close(&run(attention::Params { ahead: u32::MAX, ..ONE_HEAD }, [0.0; 4], 0), &[4.0, 4.0, 4.0, 4.0], 1e-6);
    // Scores ln 3 and 0: weights 3/4 and 1/4.
    let q = [3f32.ln(), 0.0, 0.0, 0.0];
    close(&run(ONE_HEAD, q, 1), &[1.5, 2.0, 2.5, 3.0], 1e-6);
    // 2 tanh(s / 2) = ln 3 where s = 2 atanh(ln 3 / 2).
    let capped = [2.0 * (3f32.ln() / 2.0).atanh(), 0.0, 0.0, 0.0];
    close(&run(attention::Params { softcap: 2.0, ..ONE_HEAD }, capped, 1), &[1.5, 2.0, 2.5, 3.0], 1e-6);
    // A slope of 1/2: scores ln 4 - 1/2, one position away, and 0.
    let (near, far) = (1.0, 4.0 * (-0.5f64).exp());
    let want = [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [4.0, 0.0]].map(|[a, b]| (far * a + near * b) / (far + near));
    close(&run(attention::Params { alibi: 1.0, ..ONE_HEAD }, [4f32.ln(), 0.0, 0.0, 0.0], 1), &want, 1e-6);
}

#[test]
fn query_heads_share_their_kv_head() {
    // 4 query heads on 2 KV heads, all weight on one cell: the value's first element says which head it was.
    let params = attention::Params { n_heads: 4, n_kv_heads: 2, q_stride4: 8, ..ONE_HEAD };
    let bind = attention::Bind {
        batch: &beside(&[[0; 4]], 0)[..],
        qkv: &bits(&[0.0; 32]),
        k_cache: &bits(&[1.0; 8]),
        v_cache: &bits(&[7.0, 0.0, 0.0, 1.0, 9.0, 0.0, 0.0, 2.0]),
        out: &[0; 16],
    };
    let out = attend(Qh::N2, params, bind);
    let heads: Vec<f32> = out.chunks_exact(4).map(|head| head[0]).collect();
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
    // Those of 4 heads, and every other of the first of 8 (Press et al. 2022).
    let slopes = [-2, -4, -6, -8, -1, -3].map(|power| 2f64.powi(power));
    for (window, softcap, alibi) in [(0u32, 0.0f32, 0.0f32), (5, 0.0, 8.0), (3, 1.5, 0.0), (100, 0.7, 8.0)] {
        let params = attention::Params {
            n_heads: heads as u32,
            n_kv_heads: kv_heads as u32,
            head_dim4: dim as u32 / 4,
            q_stride4: width as u32 / 4,
            window,
            softcap,
            alibi,
            rows: rows.len() as u32,
            ..ONE_HEAD
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
                    if alibi > 0.0 {
                        score -= slopes[h] * f64::from(position - c);
                    }
                    (0..dim).for_each(|i| sums[i] += score.exp() * v[at + i] as f64);
                    sums[dim] += score.exp();
                }
                want.extend((0..dim).map(|i| sums[i] / sums[dim]));
            }
        }
        let batch = beside(&rows.map(|(position, first)| [0, position, first, 0]), 19);
        let bind = attention::Bind {
            batch: &batch[..],
            qkv: &bits(&qkv),
            k_cache: &bits(&k),
            v_cache: &bits(&v),
            out: &vec![0; want.len()],
        };
        close(&attend(Qh::N3, params, bind), &want, 1e-6);
    }
}

#[test]
fn attention_of_one_row_is_rope_and_attention_however_it_is_split() {
    let mut random = Random::new(19);
    let (heads, kv_heads, dim, position, first_cell) = (4, 2, 8, 21, 3);
    let qkv = bits(&random.floats((heads + 2 * kv_heads) * dim, 2.0));
    let (q_norm, k_norm) = (bits(&random.floats(dim, 2.0)), bits(&random.floats(dim, 2.0)));
    let table = bits(&crate::rope::table(dim as u32, 1e4, 1.0, 256));
    let cache = |random: &mut Random| bits(&random.floats(30 * kv_heads * dim, 1.0));
    let (k_cache, v_cache) = (cache(&mut random), cache(&mut random));
    let batch = beside(&[[0, position, first_cell, 0]], position);
    let (n_heads, n_kv_heads, dim4) = (heads as u32, kv_heads as u32, dim as u32 / 4);
    let rope = rope_kv::Params {
        n_heads,
        n_kv_heads,
        head_dim: dim as u32,
        rope_half: dim as u32 / 2,
        neox: 1,
        has_norm: 1,
        v_norm: 0,
        eps: 0.1,
        attn_scale: 0.5,
        stretch: 0.0,
        stretch_every: 1,
        rows: 1,
        row_heads: n_heads + 2 * n_kv_heads,
        tables: 0,
    };
    let bind = rope_kv::Bind {
        batch: &batch[..],
        q_norm: &q_norm,
        k_norm: &k_norm,
        rope: &table,
        qkv: &qkv,
        k_cache: &k_cache,
        v_cache: &v_cache,
    };
    let rotated = mirror(rope_kv::Variant { reduce: Reduce::Tree, kv: Kv::F32 }, rope, bind, [8, 1]);
    let plain = attention::Params {
        n_heads,
        n_kv_heads,
        head_dim4: dim4,
        q_stride4: 8 * dim4,
        window: 15,
        softcap: 3.0,
        alibi: 8.0,
        ..ONE_HEAD
    };
    let bind = attention::Bind {
        batch: &batch[..],
        qkv: &rotated.qkv,
        k_cache: &rotated.k_cache,
        v_cache: &rotated.v_cache,
        out: &vec![0; heads * dim],
    };
    let want: Vec<f64> = attend(Qh::N2, plain, bind).iter().map(|&v| v as f64).collect();
    for splits in [1, 2, 4, 16] {
        let params = decode_attention::Params {
            n_heads,
            n_kv_heads,
            head_dim4: dim4,
            rope_half: dim as u32 / 2,
            neox: 1,
            has_norm: 1,
            eps: 0.1,
            attn_scale: 0.5,
            stretch: 0.0,
            stretch_every: 1,
            window: 15,
            groups: 1,
            softcap: 3.0,
            alibi: 8.0,
            splits,
            tables: 0,
            results: 0,
        };
        let size = if splits == 1 { heads * dim } else { heads * splits as usize * (dim + 4) };
        let bind = decode_attention::Bind {
            batch: &batch[..],
            qkv: &qkv,
            q_norm: &q_norm,
            k_norm: &k_norm,
            rope: &table,
            k_cache: &k_cache,
            v_cache: &v_cache,
            out: &vec![0; size],
        };
        let variant = decode_attention::Variant { lanes: Lanes::Tree, kv: Kv::F32, qh: Qh::N2, merge: Merge::Apart };
        let got = mirror(variant, params, bind, [2, splits]);
        let same = got.k_cache == rotated.k_cache && got.v_cache == rotated.v_cache;
        assert!(same, "{splits} parts: another cache");
        let mut whole = got.out;
        if splits > 1 {
            let bind = attention_combine::Bind { parts: &whole[..], out: &vec![0; heads * dim] };
            let params = attention_combine::Params { dim4, splits };
            whole = mirror(attention_combine::Variant {}, params, bind, [heads as u32, 1]).out;
        }
        close(floats(&whole), &want, 1e-5);
    }
}
