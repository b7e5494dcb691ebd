//! The matrix-matrix product.

use sotto::kernels::face::Face;
use sotto::kernels::table::choices::{Planes, Quantized, X};
use sotto::kernels::table::{matmul, matmul_dot, matmul_tile};
use sotto::quant::TensorType;

use super::quantize::records;
use crate::F32;
use crate::case::{Case, Data, Runs, bits};
use crate::gpu::Rig;
use crate::random::{Part, Random, output, part, poison};

/// A product of [n][k] by [m][k].
struct Shape {
    n: u32,
    k: u32,
    m: u32,
    bias: bool,
    accumulate: bool,
    /// Where in an output row of `stride` the part's results go.
    column: u32,
    stride: u32,
    /// Weights that the buffer has room for beyond those used.
    slack: usize,
}

#[allow(clippy::too_many_arguments, reason = "a row of the table below")]
const fn shape(n: u32, k: u32, m: u32, bias: bool, accumulate: bool, column: u32, stride: u32, slack: usize) -> Shape {
    Shape { n, k, m, bias, accumulate, column, stride, slack }
}

/// Every size below, at and above what a workgroup covers, alone and with the others.
const SHAPES: [Shape; 13] = [
    shape(1, 32, 5, false, false, 0, 1, 0),
    shape(5, 96, 1, true, false, 3, 11, 300),
    shape(17, 576, 2, false, true, 0, 20, 0),
    shape(63, 640, 3, true, true, 1, 64, 1),
    shape(65, 96, 7, true, false, 0, 65, 0),
    shape(16, 544, 9, false, true, 7, 23, 0),
    shape(64, 512, 4, false, false, 5, 70, 700),
    shape(130, 64, 33, true, true, 2, 140, 0),
    shape(17, 640, 65, false, false, 0, 17, 0),
    shape(70, 32, 16, true, false, 10, 80, 0),
    shape(257, 96, 17, true, true, 3, 270, 0),
    shape(520, 64, 15, false, false, 0, 520, 0),
    shape(66, 64, 131, true, true, 2, 140, 0),
];

/// What all kernels get of a shape.
struct Inputs<'a> {
    shape: &'a Shape,
    part: Part,
    bias: Vec<u32>,
    out: Vec<u32>,
}

pub fn run(rig: &mut Rig, format: TensorType) {
    let mut random = Random::new(4);
    for shape in &SHAPES {
        let part = part(&mut random, format, (shape.n * shape.k) as usize, shape.slack);
        let x = random.floats((shape.m * shape.k) as usize, 1.0);
        let bias = if shape.bias { bits(&random.floats(shape.stride as usize, 4.0)) } else { poison(4) };
        let end = if shape.accumulate { shape.column + shape.n } else { shape.column };
        let out = output(&mut random, shape.m, shape.stride, shape.column..end, 3.0);
        let inputs = Inputs { shape, part, bias, out };
        let tiles = |rows: u32| [shape.m.div_ceil(rows), shape.n.div_ceil(64)];
        for rows in matmul_tile::Rows::ALL {
            rig.run(inputs.case(matmul_tile::Variant { format, rows }, bits(&x), tiles(rows.value())));
        }
        for option in X::ALL {
            let grid = [shape.m.div_ceil(16), shape.n.div_ceil(128)];
            rig.run(inputs.case(matmul::Variant { format, x: option }, bits(&x), grid));
        }
        let Some(format) = Quantized::of(format) else { continue };
        for planes in Planes::ALL {
            for rows in matmul_dot::Rows::ALL {
                let variant = matmul_dot::Variant { format, rows, planes };
                rig.run(inputs.case(variant, records(&x, planes), tiles(rows.value())));
            }
        }
    }
}

impl Inputs<'_> {
    fn case<V>(&self, variant: V, x: Vec<u32>, grid: [u32; 2]) -> Case
    where
        V: Face<Params = matmul::Params, Bind<Data> = matmul::Bind<Data>>,
    {
        let shape = self.shape;
        Case::new(
            variant,
            format!(
                "{} by {} for {} rows, bias {}, accumulate {}",
                shape.n, shape.k, shape.m, shape.bias, shape.accumulate
            ),
            matmul::Params {
                planes: self.part.planes,
                n: shape.n,
                k_blocks: shape.k / 32,
                out_stride: shape.stride,
                column: shape.column,
                has_bias: shape.bias as u32,
                accumulate: shape.accumulate as u32,
                m: shape.m,
                scale: 0.5,
            },
            matmul::Bind {
                weights: Data::In(self.part.words.clone()),
                x: Data::In(x),
                bias: Data::In(self.bias.clone()),
                out: Data::Out(self.out.clone()),
            },
            grid,
            F32,
        )
    }
}
