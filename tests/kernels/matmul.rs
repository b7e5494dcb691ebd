//! The matrix-matrix product.

use sotto::kernels::params::MatMul;
use sotto::quant::TensorType;

use crate::F32;
use crate::gpu::{Case, Data, Rig, floats};
use crate::quantize::records;
use crate::random::{Random, output, part, poison};

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

pub fn run(rig: &mut Rig, kinds: &[TensorType]) {
    let mut random = Random::new(4);
    for &kind in kinds {
        let format = kind.name().to_lowercase();
        for shape in &SHAPES {
            let part = part(&mut random, kind, (shape.n * shape.k) as usize, shape.slack);
            let x = random.floats((shape.m * shape.k) as usize, 1.0);
            let bias = if shape.bias { floats(&random.floats(shape.stride as usize, 4.0)) } else { poison(4) };
            let end = if shape.accumulate { shape.column + shape.n } else { shape.column };
            let out = output(&mut random, shape.m, shape.stride, shape.column..end);
            let mut case = |variant: String, x: Vec<u32>, grid| {
                rig.run(Case {
                    variant,
                    what: format!(
                        "{} by {} for {} rows, bias {}, accumulate {}",
                        shape.n, shape.k, shape.m, shape.bias, shape.accumulate
                    ),
                    params: MatMul {
                        planes: part.planes,
                        n: shape.n,
                        k_blocks: shape.k / 32,
                        out_stride: shape.stride,
                        column: shape.column,
                        has_bias: shape.bias as u32,
                        accumulate: shape.accumulate as u32,
                        m: shape.m,
                        pad: 0,
                    },
                    buffers: vec![
                        Data::In(part.words.clone()),
                        Data::Again,
                        Data::In(x),
                        Data::In(bias.clone()),
                        Data::Out(out.clone()),
                    ],
                    grid,
                    ceiling: F32,
                });
            };
            for rows in [32, 64, 128] {
                let grid = [shape.m.div_ceil(rows), shape.n.div_ceil(64)];
                case(format!("matmul_tile.{format}.rows{rows}"), floats(&x), grid);
            }
            for option in ["direct", "quad", "octet"] {
                let grid = [shape.n.div_ceil(128), shape.m.div_ceil(16)];
                case(format!("matmul.{format}.{option}"), floats(&x), grid);
            }
            for planes in if kind.is_quantized() { 1..3 } else { 0..0 } {
                for rows in [32, 64] {
                    let grid = [shape.m.div_ceil(rows), shape.n.div_ceil(64)];
                    case(format!("matmul_dot.{format}.rows{rows}.planes{planes}"), records(&x, planes), grid);
                }
            }
        }
    }
}
