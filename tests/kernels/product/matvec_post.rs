//! The matrix-vector product that adds the norm of a projection to its input first.

use sotto::kernels::face::Face;
use sotto::kernels::table::choices::{Planes, Quantized, Reduce};
use sotto::kernels::table::{matvec, matvec_dot, matvec_dot_post, matvec_post, rmsnorm};
use sotto::quant::TensorType;

use super::matvec::{GATED, ROWS, shared};
use super::quantize::rounding;
use super::{Matvec, MatvecPost};
use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::gpu::Rig;
use crate::host::mirror;
use crate::random::{Part, Random, output, part, poison};

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

#[allow(clippy::too_many_arguments, reason = "a row of the table below")]
const fn shape(n: u32, k: u32, m: u32, norm: u32, glu: u32, column: u32, stride: u32, slack: usize) -> Shape {
    Shape { n, k, m, norm, glu, column, stride, slack }
}

/// Rows shorter and longer than a workgroup and a chunk of 4096 columns, and all results that a workgroup may make.
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

/// What all kernels get of a shape.
struct Inputs<'a> {
    shape: &'a Shape,
    part: Part,
    x: Vec<u32>,
    p: Vec<u32>,
    norm: Vec<u32>,
    post: Vec<u32>,
    out: Vec<u32>,
}

pub fn run(rig: &mut Rig, format: TensorType) {
    let mut random = Random::new(24);
    for shape in &SHAPES {
        let inputs = Inputs::of(&mut random, shape, format);
        let ceiling = if shape.glu > 0 { GATED } else { F32 };
        for (reduce, lanes) in shared(shape.k) {
            rig.run(inputs.case(matvec_post::Variant { format, reduce }, lanes, ceiling));
            let Some(format) = Quantized::of(format) else { continue };
            for planes in Planes::ALL {
                // The last bit of x' is the adapter's.
                let ceiling = ceiling.max(rounding(planes));
                rig.run(inputs.case(matvec_dot_post::Variant { format, reduce, planes }, lanes, ceiling));
            }
        }
    }
}

impl<'a> Inputs<'a> {
    fn of(random: &mut Random, shape: &'a Shape, format: TensorType) -> Self {
        let &Shape { n, k, m, column, stride, slack, .. } = shape;
        let part = part(random, format, (n * k) as usize, slack);
        let mut row = |count: u32, scale: f32| bits(&random.floats(count as usize, scale));
        // The projection is small, so that its eps matters.
        let (x, p, post) = (row(m * k, 1.0), row(m * k, 0.2), row(k, 2.0));
        let norm = if shape.norm == 1 { row(k, 2.0) } else { poison(4) };
        let out = output(random, m, stride, column..column, 3.0);
        Inputs { shape, part, x, p, norm, post, out }
    }

    fn case<V>(&self, variant: V, lanes: u32, ceiling: f64) -> Case
    where
        V: Face<Params = matvec_post::Params, Bind<Data> = matvec_post::Bind<Data>>,
    {
        let &Shape { n, k, m, norm: has_norm, glu, column, stride, .. } = self.shape;
        Case::new(
            variant,
            format!("{n} by {k} for {m} rows, norm {has_norm}, gate {glu}, {lanes} lanes"),
            matvec_post::Params {
                planes: self.part.planes,
                n,
                k_blocks: k / 32,
                out_stride: stride,
                column,
                has_norm,
                eps: 0.03,
                glu,
                lanes,
                scale: 0.5,
                m,
                ..Default::default()
            },
            matvec_post::Bind {
                weights: Data::In(self.part.words.clone()),
                x: Data::In(self.x.clone()),
                p: Data::In(self.p.clone()),
                norm: Data::In(self.norm.clone()),
                post: Data::In(self.post.clone()),
                out: Data::Out(self.out.clone()),
                // A row more than there are.
                x_next: Data::Out(poison(((m + 1) * k) as usize)),
            },
            [m, n.div_ceil(ROWS / lanes)],
            ceiling,
        )
    }
}

#[test]
fn it_is_a_norm_and_then_a_product() {
    let (format, reduce) = (Quantized::Q5_1, Reduce::Tree);
    let plain = matvec::Variant { format: format.into(), reduce };
    let plain_post = matvec_post::Variant { format: format.into(), reduce };
    let dots = matvec_dot::Variant { format, reduce, planes: Planes::N2 };
    let dots_post = matvec_dot_post::Variant { format, reduce, planes: Planes::N2 };
    norm_and_product(plain, plain_post, 0);
    norm_and_product(plain, plain_post, 2);
    norm_and_product(dots, dots_post, 1);
}

fn norm_and_product(product: impl Matvec, post: impl MatvecPost, glu: u32) {
    let mut random = Random::new(25);
    let (n, k, m) = (10u32, 96u32, 3u32);
    let part = part(&mut random, TensorType::Q5_1, (n * k) as usize, 0);
    let mut row = |count: u32, scale: f32| bits(&random.floats(count as usize, scale));
    let (x, p, weight, norm) = (row(m * k, 1.0), row(m * k, 0.2), row(k, 2.0), row(k, 2.0));
    let none = &[0; 4][..];
    let add = rmsnorm::Params { k4: k / 4, eps: 0.03, gather: 0, accumulate: 1 };
    let bind = rmsnorm::Bind { x: &p[..], weight: &weight, rows: none, out: &x };
    let sum = mirror(rmsnorm::Variant { reduce: Reduce::Tree }, add, bind, [1, m]).out;
    assert!(sum != x);
    let params = matvec::Params {
        planes: part.planes,
        n,
        k_blocks: k / 32,
        out_stride: if glu > 0 { n / 2 } else { n },
        has_norm: 1,
        eps: 0.03,
        glu,
        lanes: 16,
        scale: 0.5,
        m,
        ..Default::default()
    };
    let (weights, out, x_next) = (&part.words[..], &vec![0; (n * m) as usize][..], &vec![0; x.len()][..]);
    let bind = matvec_post::Bind { weights, x: &x, p: &p, norm: &norm, post: &weight, out, x_next };
    let got = mirror(post, params, bind, [1, m]);
    // The sum is rounded step by step, as the kernel does it, for integers are made of it; the rest is the same.
    close(floats(&got.x_next), &floats(&sum).iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), 1e-6);
    let plain = matvec::Bind { weights, x: &got.x_next, bias: none, norm: &norm, rows: none, out };
    let want = mirror(product, params, plain, [1, m]).out;
    assert!(got.out == want, "{}, gate {glu}", post.id().name());
}
