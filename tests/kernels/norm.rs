//! Norms of rows.

use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::{layernorm, qk_norm, rmsnorm};

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, poison};

/// Row length, rows, size of x, eps: rows shorter and longer than the workgroup, and an eps that matters.
const SHAPES: [(usize, usize, f32, f32); 9] = [
    (4, 1, 1.0, 1e-5),
    (64, 3, 1.0, 1e-6),
    (96, 2, 0.01, 1e-3),
    (252, 4, 30.0, 1e-5),
    (256, 65, 1.0, 1e-5),
    (260, 7, 1.0, 1e-5),
    (576, 9, 1e-3, 1e-5),
    (640, 33, 1e4, 1e-6),
    (2052, 3, 1.0, 1e-6),
];

pub fn run(rig: &mut impl Runs) {
    for reduce in Reduce::ALL {
        rms(rig, reduce);
        layer(rig, reduce);
        qk(rig, reduce);
    }
}

fn rms(rig: &mut impl Runs, reduce: Reduce) {
    let mut random = Random::new(1);
    for (k, rows, size, eps) in SHAPES {
        for (gather, accumulate) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            // Gathered rows come in any order, some twice, some never.
            let sources = rows + 5;
            let picks: Vec<u32> = (0..rows).map(|_| (random.next() % sources as u64) as u32).collect();
            let out = if accumulate == 1 { bits(&random.floats(rows * k, 1.0)) } else { poison(rows * k) };
            rig.run(Case::new(
                rmsnorm::Variant { reduce },
                format!("{rows} rows of {k}, eps {eps:e}, gather {gather}, accumulate {accumulate}"),
                rmsnorm::Params { k4: k as u32 / 4, eps, gather, accumulate },
                rmsnorm::Bind {
                    x: Data::In(bits(&random.floats(sources * k, size))),
                    weight: Data::In(bits(&random.floats(k, 2.0))),
                    rows: Data::In(if gather == 1 { picks } else { poison(4) }),
                    out: Data::Out(out),
                },
                [1, rows as u32],
                F32,
            ));
        }
    }
}

/// Where rows lie far from 0, f32 holds their distances from the mean less well: by their square, relative to the mean's.
const FAR: f64 = 1e-13;

fn layer(rig: &mut impl Runs, reduce: Reduce) {
    let mut random = Random::new(26);
    for (k, rows, size, eps) in SHAPES {
        for (mean, gather, accumulate, centred) in
            [(0.0, 0, 0, 1), (-3.0 * size, 1, 0, 1), (100.0 * size, 0, 0, 1), (size, 1, 0, 0), (size, 0, 1, 1)]
        {
            let sources = rows + 5;
            let picks: Vec<u32> = (0..rows).map(|_| (random.next() % sources as u64) as u32).collect();
            // Two of three shapes have zeros behind their numbers.
            let n = [k, k - 3, k.saturating_sub(33).max(2)][k % 3];
            let mut x: Vec<f32> = random.floats(sources * k, size).iter().map(|x| x + mean).collect();
            x.chunks_exact_mut(k).for_each(|row| row[n..].fill(0.0));
            rig.run(Case::new(
                layernorm::Variant { reduce },
                format!(
                    "{rows} rows of {n} of {k} around {mean}, eps {eps:e}, gather {gather}, accumulate {accumulate}, centred {centred}"
                ),
                layernorm::Params { k4: k as u32 / 4, n: n as u32, eps, gather, accumulate, centred },
                layernorm::Bind {
                    x: Data::In(bits(&x)),
                    weight: Data::In(bits(&random.floats(k, 2.0))),
                    bias: Data::In(bits(&random.floats(k, 2.0))),
                    rows: Data::In(if gather == 1 { picks } else { poison(4) }),
                    out: Data::Out(if accumulate == 1 {
                        bits(&random.floats(rows * k, 1.0))
                    } else {
                        poison(rows * k)
                    }),
                },
                [1, rows as u32],
                F32.max(FAR * f64::from(mean / size).powi(2)),
            ));
        }
    }
}

fn qk(rig: &mut impl Runs, reduce: Reduce) {
    let mut random = Random::new(27);
    // Numbers, and parts that are normed by themselves, of queries and of keys.
    let shapes = [
        ([4_usize, 4], [1_u32, 1], 0.0_f32, 1_usize, 1e-5),
        ([96, 32], [3, 1], 2.0, 3, 1e-3),
        ([260, 252], [1, 1], 0.0, 9, 1e-6),
        ([1024, 512], [8, 2], -1.0, 2, 1e-5),
        ([2048, 512], [1, 1], 1.0, 2, 1e-5),
    ];
    for ([q, k], [q_parts, k_parts], mean, rows, eps) in shapes {
        for layer in [0, 1, 2] {
            let x: Vec<f32> = random.floats(rows * (q + 2 * k), 3.0).iter().map(|x| x + mean).collect();
            rig.run(Case::new(
                qk_norm::Variant { reduce },
                format!("{rows} rows of {q} and {k} in {q_parts} and {k_parts}, eps {eps:e}, layer {layer}"),
                qk_norm::Params { q4: q as u32 / 4, k4: k as u32 / 4, q_parts, k_parts, eps, layer },
                qk_norm::Bind {
                    weight: Data::In(bits(&random.floats((q + k) * layer.max(1) as usize, 2.0))),
                    x: Data::Out(bits(&x)),
                },
                [q_parts + k_parts, rows as u32],
                F32,
            ));
        }
    }
}

#[test]
fn qk_norm_by_hand() {
    // The roots of the means of squares: 2.5 of the queries, with eps 3 in all 2 of the keys (1, 1, 1, 1).
    let x = bits(&[3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 7.0, 8.0, 9.0, -1.0]);
    let weight = bits(&[1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0, -4.0]);
    let rms = qk_norm::Params { q4: 1, k4: 1, q_parts: 1, k_parts: 1, eps: 0.0, layer: 0 };
    let run = |x: &[u32], weight: &[u32], params: qk_norm::Params| {
        let bind = qk_norm::Bind { weight, x };
        let parts = params.q_parts + params.k_parts;
        mirror(qk_norm::Variant { reduce: Reduce::Tree }, params, bind, [parts, 1]).x
    };
    close(&floats(&run(&x, &weight, rms))[..4], &[1.2, 3.2, 0.0, 0.0], 1e-6);
    let out = run(&x, &weight, qk_norm::Params { eps: 3.0, ..rms });
    close(&floats(&out)[4..], &[0.5, 1.0, 1.5, -2.0, 7.0, 8.0, 9.0, -1.0], 1e-6);
    // Two heads of queries around 4 and 100, whose variance is 5 and 16, and with eps 4 and 9 for one deviation of 3 and 5.
    let x = bits(&[1.0, 3.0, 5.0, 7.0, 104.0, 96.0, 104.0, 96.0, 2.0, 2.0, 2.0, 2.0, 5.0, 6.0, 7.0, 8.0]);
    let weight = bits(&[1.0, 3.0, 6.0, -1.0, 1.0, 2.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0]);
    let layer = qk_norm::Params { q4: 2, q_parts: 2, layer: 1, ..rms };
    close(&floats(&run(&x, &weight, qk_norm::Params { eps: 4.0, ..layer }))[..4], &[-1.0, -1.0, 2.0, -1.0], 1e-6);
    let out = run(&x, &weight, qk_norm::Params { eps: 9.0, ..layer });
    close(&floats(&out)[4..], &[0.8, -1.6, 0.8, -0.8, 0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0], 1e-6);
    // The same with biases: those of the queries, then those of the keys.
    let biases = bits(&[0.5, 0.0, -1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0, 4.0, 5.0, 6.0]);
    let out = run(&x, &[weight, biases].concat(), qk_norm::Params { eps: 9.0, layer: 2, ..layer });
    close(&floats(&out)[4..], &[1.8, -0.6, 1.8, 0.2, 3.0, 4.0, 5.0, 6.0, 5.0, 6.0, 7.0, 8.0], 1e-6);
}

#[test]
fn rmsnorm_by_hand() {
    // The mean of squares of (3, 4, 0, 0) is 6.25, its root 2.5; of (1, 1, 1, 1) with eps 3 it is 2.
    let x = bits(&[3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let weight = bits(&[1.0, 2.0, 1.0, -1.0]);
    let variant = rmsnorm::Variant { reduce: Reduce::Tree };
    let plain = rmsnorm::Params { k4: 1, eps: 0.0, gather: 0, accumulate: 0 };
    let bind = rmsnorm::Bind { x: &x[..], weight: &weight, rows: &[0; 4], out: &[0; 8] };
    let out = mirror(variant, plain, bind, [1, 2]).out;
    close(floats(&out), &[1.2, 3.2, 0.0, 0.0, 1.0, 2.0, 1.0, -1.0], 1e-6);
    // Row 1 gathered, halved by eps, added to 10.
    let added = rmsnorm::Params { k4: 1, eps: 3.0, gather: 1, accumulate: 1 };
    let bind = rmsnorm::Bind { x: &x[..], weight: &weight, rows: &[1], out: &bits(&[10.0; 4]) };
    let out = mirror(variant, added, bind, [1, 1]).out;
    close(floats(&out), &[10.5, 11.0, 10.5, 9.5], 1e-6);
}

#[test]
fn layernorm_by_hand() {
    // (1, 3, 5, 7) is -3, -1, 1 and 3 from its mean, whose squares' mean is 5; eps 4 makes 9 of it, whose root is 3.
    // (104, 96, 104, 96) is 4 from its mean of 100: with eps 9 the root is that of 25.
    let weight = bits(&[1.0, 3.0, 6.0, -1.0]);
    let bias = bits(&[0.0, 10.0, -2.0, 0.5]);
    let first = |n: u32, x: [f32; 4], eps: f32| {
        let bind = layernorm::Bind { x: &bits(&x)[..], weight: &weight, bias: &bias, rows: &[0], out: &[0; 4] };
        let params = layernorm::Params { k4: 1, n, eps, gather: 1, accumulate: 0, centred: 1 };
        mirror(layernorm::Variant { reduce: Reduce::Tree }, params, bind, [1, 1]).out
    };
    let run = |x, eps| first(4, x, eps);
    close(floats(&run([1.0, 3.0, 5.0, 7.0], 4.0)), &[-1.0, 9.0, 0.0, -0.5], 1e-6);
    close(floats(&run([104.0, 96.0, 104.0, 96.0], 9.0)), &[0.8, 7.6, 2.8, 1.3], 1e-6);
    // (3, 9, 6) is -3, 3 and 0 from its mean, whose squares' mean is 6; eps 3 makes 9 of it. What is behind does not count.
    close(&floats(&first(3, [3.0, 9.0, 6.0, 0.0], 3.0))[..3], &[-1.0, 13.0, -2.0], 1e-6);
    // Not centred: (3, 1, 1, 5) is of mean square 9.
    let params = layernorm::Params { k4: 1, n: 4, eps: 0.0, gather: 0, accumulate: 0, centred: 0 };
    let bind =
        layernorm::Bind { x: &bits(&[3.0, 1.0, 1.0, 5.0])[..], weight: &weight, bias: &bias, rows: &[0], out: &[0; 4] };
    let out = mirror(layernorm::Variant { reduce: Reduce::Tree }, params, bind, [1, 1]).out;
    close(floats(&out), &[1.0, 11.0, 0.0, 0.5 - 5.0 / 3.0], 1e-6);
    // No variance: the bias alone.
    close(floats(&run([1e4; 4], 1e-5)), &[0.0, 10.0, -2.0, 0.5], 0.0);
    // Added to 10.
    let x = bits(&[1.0, 3.0, 5.0, 7.0]);
    let bind = layernorm::Bind { x: &x[..], weight: &weight, bias: &bias, rows: &[0], out: &bits(&[10.0; 4]) };
    let params = layernorm::Params { k4: 1, n: 4, eps: 4.0, gather: 0, accumulate: 1, centred: 1 };
    let out = mirror(layernorm::Variant { reduce: Reduce::Tree }, params, bind, [1, 1]).out;
    close(floats(&out), &[9.0, 19.0, 10.0, 9.5], 1e-6);
}
