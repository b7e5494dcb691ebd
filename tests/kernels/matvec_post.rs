//! The matrix-vector product that adds the norm of a projection to its input first.

use sotto::kernels::params::{MatVec, RmsNorm};
use sotto::quant::TensorType;

use crate::gpu::{Case, Data, Rig, floats};
use crate::matvec::GATED;
use crate::mirrors::mirror;
use crate::quantize::ROUNDINGS;
use crate::random::{Random, output, part, poison};
use crate::{F32, REDUCES};

/// [n][k] by [m][k], into columns from `column` of an output row of `stride`; with a norm, and a gate (1 SiLU, 2 GELU).
struct Shape {
    n: u32,
    k: u32,
    m: u32,
    norm: u32,
    glu: u32,
    column: u32,
    stride: u32,
    /// Weights that the buffer has room for beyond those used.
    slack: usize,
}

const fn shape(n: u32, k: u32, m: u32, norm: u32, glu: u32, column: u32, stride: u32, slack: usize) -> Shape {
    Shape { n, k, m, norm, glu, column, stride, slack }
}

/// Rows shorter and longer than a workgroup and a chunk of 2048 columns, and all results that a workgroup may make.
const SHAPES: [Shape; 9] = [
    shape(7, 2208, 2, 1, 0, 3, 11, 0),
    shape(66, 96, 3, 1, 1, 0, 33, 9),
    shape(5, 32, 1, 0, 0, 0, 5, 300),
    shape(130, 640, 4, 1, 2, 0, 65, 0),
    shape(17, 576, 2, 0, 0, 1, 20, 0),
    shape(34, 2048, 1, 1, 0, 2, 40, 700),
    shape(1, 64, 4, 1, 0, 0, 1, 0),
    shape(10, 4704, 3, 1, 2, 0, 5, 0),
    shape(64, 544, 1, 1, 0, 0, 64, 1),
];

pub fn run(rig: &mut Rig, kinds: &[TensorType]) {
    let mut random = Random::new(24);
    for &kind in kinds {
        let format = kind.name().to_lowercase();
        for shape in &SHAPES {
            let &Shape { n, k, m, norm: has_norm, glu, column, stride, slack } = shape;
            let part = part(&mut random, kind, (n * k) as usize, slack);
            let mut row = |count: u32, scale: f32| floats(&random.floats(count as usize, scale));
            // The projection is small, so that its eps matters.
            let (x, p, post) = (row(m * k, 1.0), row(m * k, 0.2), row(k, 2.0));
            let norm = if has_norm == 1 { row(k, 2.0) } else { poison(4) };
            let out = output(&mut random, m, stride, column..column);
            // A row more than there are.
            let x_next = poison(((m + 1) * k) as usize);
            let mut case = |variant: String, lanes: u32, ceiling: f64| {
                rig.run(Case {
                    variant,
                    what: format!("{n} by {k} for {m} rows, norm {has_norm}, gate {glu}, {lanes} lanes"),
                    params: MatVec {
                        planes: part.planes,
                        n,
                        k_blocks: k / 32,
                        out_stride: stride,
                        column,
                        has_norm,
                        eps: 0.03,
                        glu,
                        lanes,
                        ..MatVec::default()
                    },
                    buffers: vec![
                        Data::In(part.words.clone()),
                        Data::Again,
                        Data::In(x.clone()),
                        Data::In(p.clone()),
                        Data::In(norm.clone()),
                        Data::In(post.clone()),
                        Data::Out(out.clone()),
                        Data::Out(x_next.clone()),
                    ],
                    grid: [n.div_ceil(256 / lanes), m],
                    ceiling,
                });
            };
            let ceiling = if glu > 0 { GATED } else { F32 };
            for (reduce, lanes) in REDUCES.into_iter().flat_map(|reduce| [(reduce, 16), (reduce, 64)]) {
                case(format!("matvec_post.{format}.{reduce}"), lanes, ceiling);
                // The last bit of x' is the adapter's.
                for planes in [1, 2].into_iter().filter(|_| kind.is_quantized()) {
                    let variant = format!("matvec_dot_post.{format}.{reduce}.planes{planes}");
                    case(variant, lanes, ceiling.max(ROUNDINGS[planes - 1]));
                }
            }
        }
    }
}

#[test]
fn it_is_a_norm_and_then_a_product() {
    let mut random = Random::new(25);
    let (n, k, m) = (10u32, 96u32, 3u32);
    let part = part(&mut random, TensorType::Q5_1, (n * k) as usize, 0);
    let mut row = |count: u32, scale: f32| floats(&random.floats(count as usize, scale));
    let (x, p, post, norm) = (row(m * k, 1.0), row(m * k, 0.2), row(k, 2.0), row(k, 2.0));
    let none = [0; 4];
    let add = RmsNorm { k4: k / 4, eps: 0.03, gather: 0, accumulate: 1 };
    let sum = mirror("rmsnorm.tree", add, &[&p, &post, &none, &x], [1, m])[3].clone();
    assert!(sum != x);
    let out = vec![0; (n * m) as usize];
    for (suffix, glu) in [(".q5_1.tree", 0), (".q5_1.tree", 2), ("_dot.q5_1.tree.planes2", 1)] {
        let params = MatVec {
            planes: part.planes,
            n,
            k_blocks: k / 32,
            out_stride: if glu > 0 { n / 2 } else { n },
            has_norm: 1,
            eps: 0.03,
            glu,
            lanes: 16,
            ..MatVec::default()
        };
        let plain: [&[u32]; 7] = [&part.words, &part.words, &sum, &none, &norm, &none, &out];
        let want = mirror(&format!("matvec{suffix}"), params, &plain, [1, m])[6].clone();
        let inputs: [&[u32]; 8] = [&part.words, &part.words, &x, &p, &norm, &post, &out, &vec![0; x.len()]];
        let variant = format!("matvec{}", suffix.replacen('.', "_post.", 1));
        let got = mirror(&variant, params, &inputs, [1, m]);
        assert!(got[6] == want && got[7] == sum, "{variant}, gate {glu}");
    }
}
