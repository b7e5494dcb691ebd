//! The matrix-vector product and what is fused with it; all kernels have one mirror.

use sotto::kernels::face::Face;
use sotto::kernels::table::choices::{Planes, Quantized, Reduce, X};
use sotto::kernels::table::{matvec, matvec_dot, matvec_few, matvec_rows};
use sotto::quant::TensorType;

use super::quantize::rounding;
use crate::F32;
use crate::case::{Case, Data, Runs, bits};
use crate::gpu::Rig;
use crate::random::{Part, Random, output, part, poison};

/// A gate's exp turns a sum's rounding into a relative error of the result.
pub const GATED: f64 = 1e-11;

/// Rows of weights that a workgroup sums, four a thread, if each had its own.
pub const ROWS: u32 = 4 * matvec::THREADS;

/// What a product does besides multiplying.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fused {
    Plain,
    Bias,
    /// Adds to the output.
    Add,
    /// Norm of the input, and a bias.
    Norm,
    /// Norm of gathered rows.
    Gather,
    /// Norm, and SiLU or GELU of half of the rows.
    Silu,
    Gelu,
}
use Fused::*;

/// [n][k] by [m][k], into columns from `column` of an output row of `stride`.
struct Shape {
    n: u32,
    k: u32,
    m: u32,
    fused: Fused,
    column: u32,
    stride: u32,
    /// Weights that the buffer has room for beyond those used.
    slack: usize,
}

const fn shape(n: u32, k: u32, m: u32, fused: Fused, column: u32, stride: u32, slack: usize) -> Shape {
    Shape { n, k, m, fused, column, stride, slack }
}

/// Every size below, at and above what a workgroup of any kernel covers, alone and with the others.
const SHAPES: [Shape; 17] = [
    shape(1, 32, 3, Plain, 0, 1, 0),
    shape(5, 96, 1, Bias, 3, 11, 300),
    shape(17, 576, 2, Add, 0, 20, 0),
    shape(63, 640, 3, Norm, 1, 64, 1),
    shape(16, 544, 2, Gather, 7, 23, 0),
    shape(64, 512, 4, Add, 5, 70, 700),
    shape(130, 64, 2, Norm, 2, 140, 0),
    shape(68, 2080, 1, Gather, 0, 68, 0),
    shape(7, 4704, 2, Norm, 0, 7, 0),
    shape(6, 32, 2, Silu, 0, 3, 0),
    shape(10, 96, 2, Gelu, 0, 5, 0),
    shape(66, 64, 3, Silu, 0, 33, 9),
    shape(130, 2048, 1, Gelu, 0, 65, 0),
    shape(128, 32, 1, Silu, 0, 64, 0),
    shape(70, 96, 5, Norm, 2, 75, 0),
    shape(20, 2080, 6, Gather, 0, 20, 0),
    shape(10, 64, 4, Silu, 0, 5, 0),
];

/// What all kernels get of a shape.
struct Inputs<'a> {
    shape: &'a Shape,
    part: Part,
    x: Vec<u32>,
    bias: Vec<u32>,
    norm: Vec<u32>,
    rows: Vec<u32>,
    out: Vec<u32>,
}

pub fn run(rig: &mut Rig, format: TensorType) {
    let mut random = Random::new(14);
    let exact = rig.divides_exactly();
    for shape in &SHAPES {
        let inputs = Inputs::of(&mut random, shape, format);
        let ceiling = if matches!(shape.fused, Silu | Gelu) { GATED } else { F32 };
        for (reduce, lanes) in shared(shape.k) {
            rig.run(inputs.case(matvec::Variant { format, reduce }, lanes, [1, ROWS / lanes], ceiling));
            for rows in matvec_few::Rows::ALL {
                let each = [rows.value(), ROWS / lanes];
                rig.run(inputs.case(matvec_few::Variant { format, reduce, rows }, lanes, each, ceiling));
            }
            let Some(format) = Quantized::of(format) else { continue };
            for planes in Planes::ALL {
                let ceiling = if exact { ceiling } else { ceiling.max(rounding(planes)) };
                let variant = matvec_dot::Variant { format, reduce, planes };
                rig.run(inputs.case(variant, lanes, [1, ROWS / lanes], ceiling));
            }
        }
        for x in X::ALL {
            for rows in matvec_rows::Rows::ALL {
                rig.run(inputs.case(matvec_rows::Variant { format, x, rows }, 0, [rows.value(), 64], ceiling));
            }
        }
    }
}

/// The ways in which threads share rows of this length; many of them only long ones.
pub fn shared(k: u32) -> impl Iterator<Item = (Reduce, u32)> {
    let lanes = move || [16, 64, 128].into_iter().filter(move |&lanes| lanes <= 64 || k >= 2048);
    Reduce::ALL.into_iter().flat_map(move |reduce| lanes().map(move |lanes| (reduce, lanes)))
}

impl Shape {
    fn has_bias(&self) -> bool {
        matches!(self.fused, Bias | Norm)
    }

    fn has_norm(&self) -> bool {
        !matches!(self.fused, Plain | Bias | Add)
    }
}

impl<'a> Inputs<'a> {
    fn of(random: &mut Random, shape: &'a Shape, format: TensorType) -> Self {
        let part = part(random, format, (shape.n * shape.k) as usize, shape.slack);
        let gather = shape.fused == Gather;
        // Gathered rows are the odd ones, from the last; the even ones are poison.
        let mut x = Vec::new();
        for row in 0..shape.m * if gather { 2 } else { 1 } {
            let values = bits(&random.floats(shape.k as usize, 1.0));
            x.extend(if gather && row % 2 == 0 { poison(shape.k as usize) } else { values });
        }
        let rows = if gather { (0..shape.m).rev().map(|r| 2 * r + 1).collect() } else { poison(4) };
        let mut floats_or_poison = |wanted: bool, count: u32| {
            if wanted { bits(&random.floats(count as usize, 2.0)) } else { poison(4) }
        };
        let bias = floats_or_poison(shape.has_bias(), shape.stride);
        let norm = floats_or_poison(shape.has_norm(), shape.k);
        let end = if shape.fused == Add { shape.column + shape.n } else { shape.column };
        let out = output(random, shape.m, shape.stride, shape.column..end, 3.0);
        Inputs { shape, part, x, bias, norm, rows, out }
    }

    /// `each`: rows of activations and of weights that a workgroup takes.
    fn case<V>(&self, variant: V, lanes: u32, each: [u32; 2], ceiling: f64) -> Case
    where
        V: Face<Params = matvec::Params, Bind<Data> = matvec::Bind<Data>>,
    {
        let shape = self.shape;
        Case::new(
            variant,
            format!("{} by {} for {} rows, {:?}, {lanes} lanes", shape.n, shape.k, shape.m, shape.fused),
            matvec::Params {
                planes: self.part.planes,
                n: shape.n,
                k_blocks: shape.k / 32,
                out_stride: shape.stride,
                column: shape.column,
                has_bias: shape.has_bias() as u32,
                accumulate: (shape.fused == Add) as u32,
                gather: (shape.fused == Gather) as u32,
                has_norm: shape.has_norm() as u32,
                eps: 0.03,
                glu: [Silu, Gelu].iter().position(|&f| f == shape.fused).map_or(0, |i| i as u32 + 1),
                lanes,
                scale: 0.5,
                m: shape.m,
            },
            matvec::Bind {
                weights: Data::In(self.part.words.clone()),
                x: Data::In(self.x.clone()),
                bias: Data::In(self.bias.clone()),
                norm: Data::In(self.norm.clone()),
                rows: Data::In(self.rows.clone()),
                out: Data::Out(self.out.clone()),
            },
            [shape.m.div_ceil(each[0]), shape.n.div_ceil(each[1])],
            ceiling,
        )
    }
}
