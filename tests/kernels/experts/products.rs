//! Products by the experts that rows chose.

use sotto::kernels::table::choices::Reduce;
use sotto::kernels::table::{group, matmul_experts, matvec, matvec_experts};
use sotto::quant::{self, TensorType};

use super::{choices, room};
use crate::F32;
use crate::case::{Case, Data, POISON, Runs, bits, close, floats};
use crate::gpu::Rig;
use crate::host::mirror;
use crate::random::{Part, Random, part, poison};

/// A gate's exp turns a sum's rounding into a relative error of the result.
const GATED: f64 = 1e-11;

/// Of experts first..first+here of all those that there are.
#[derive(Clone, Copy)]
pub struct Shape {
    experts: u32,
    first: u32,
    here: u32,
    n: u32,
    pub k: u32,
    pub used: u32,
    rows: u32,
    what: What,
}

/// What a product does besides multiplying.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Plain,
    Bias,
    Norm,
    Silu,
    Gelu,
    Summed,
    /// Added to what is there, with biases.
    Added,
}
use What::*;

const fn shape([experts, first, here]: [u32; 3], [n, k]: [u32; 2], used: u32, rows: u32, what: What) -> Shape {
    Shape { experts, first, here, n, k, used, rows, what }
}

/// Parts of all experts and of some, short and long rows, one and many that are chosen.
pub const SHAPES: [Shape; 9] = [
    shape([1, 0, 1], [32, 32], 1, 2, Plain),
    shape([7, 2, 3], [96, 64], 3, 2, Bias),
    shape([5, 0, 5], [64, 576], 2, 3, Norm),
    shape([6, 1, 4], [64, 96], 4, 1, Silu),
    shape([4, 0, 4], [128, 2080], 2, 1, Gelu),
    shape([8, 0, 8], [160, 64], 8, 1, Summed),
    shape([8, 3, 4], [32, 96], 3, 4, Summed),
    shape([9, 0, 4], [96, 544], 4, 2, Added),
    shape([3, 1, 2], [64, 2048], 1, 3, Added),
];

impl Shape {
    /// Rows of a type are whole blocks of it.
    pub fn of(self, format: TensorType) -> Shape {
        Shape { k: self.k.next_multiple_of(format.block_len() as u32), ..self }
    }

    pub fn weights(&self, random: &mut Random, format: TensorType) -> Part {
        part(random, format, (self.here * self.n * self.k) as usize, 300)
    }

    /// Rows of the part.
    pub fn part_rows(&self) -> usize {
        (self.here * self.n) as usize
    }

    /// No number in the weights of experts that nobody chose, where weights are floats: what is read of them shows.
    fn spare(&self, weights: Data, format: TensorType, chosen: &[f32]) -> Data {
        let (Data::In(mut words), TensorType::F32) = (weights.clone(), format) else { return weights };
        let each = (self.n * self.k) as usize;
        for (expert, words) in words.chunks_exact_mut(each).take(self.here as usize).enumerate() {
            if !chosen.chunks_exact(2).any(|choice| choice[0] as u32 == self.first + expert as u32) {
                words.fill(POISON);
            }
        }
        Data::In(words)
    }

    /// Choices.
    pub fn pairs(&self) -> u32 {
        self.rows * self.used
    }

    /// Whether numbers are made of activations before they are multiplied.
    pub fn is_rounded(&self) -> bool {
        matches!(self.what, Norm | Silu | Gelu)
    }

    fn is_summed(&self) -> bool {
        matches!(self.what, Summed | Added)
    }

    /// Rows of activations that kernels of few rows read.
    pub fn inputs(&self) -> u32 {
        if self.is_summed() { self.rows * self.used } else { self.rows }
    }

    pub fn few(
        &self,
        random: &mut Random,
        planes: [u32; 4],
        weights: Data,
        x: &[u32],
        way: (TensorType, Reduce, u32),
    ) -> Case {
        let (format, reduce, lanes) = way;
        let glu = [Silu, Gelu].iter().position(|&what| what == self.what).map_or(0, |i| i as u32 + 1);
        let (column, results) = (5, if glu > 0 { self.n / 2 } else { self.n });
        let (stride, out_rows) = (results + 9, if self.is_summed() { self.rows } else { self.rows * self.used });
        let has_bias = matches!(self.what, Bias | Added);
        let has_norm = self.is_rounded();
        let mut floats = |wanted: bool, count: u32| {
            if wanted { bits(&random.floats(count as usize, 2.0)) } else { poison(4) }
        };
        let (bias, norm) = (floats(has_bias, self.experts * stride), floats(has_norm, self.k));
        let mut out = poison((out_rows * stride) as usize);
        if self.what == Added {
            for row in out.chunks_exact_mut(stride as usize) {
                row[column as usize..][..results as usize].fill(1.5f32.to_bits());
            }
        }
        let chosen = choices(random, self.experts, self.used, self.rows);
        let weights = self.spare(weights, format, &chosen);
        Case::new(
            matvec_experts::Variant { format, reduce },
            format!(
                "{} of {}, {} by {}, for {} rows, {:?}, {lanes} lanes",
                self.used, self.experts, self.n, self.k, self.rows, self.what
            ),
            matvec_experts::Params {
                planes,
                n: self.n,
                k_blocks: self.k / 32,
                out_stride: stride,
                column,
                first_expert: self.first,
                n_experts: self.here,
                used: self.used,
                summed: self.is_summed() as u32,
                has_bias: has_bias as u32,
                accumulate: (self.what == Added) as u32,
                has_norm: has_norm as u32,
                eps: 0.03,
                glu,
                lanes,
            },
            matvec_experts::Bind {
                weights,
                x: Data::In(x.to_vec()),
                bias: Data::In(bias),
                norm: Data::In(norm),
                choices: Data::In(bits(&chosen)),
                out: Data::Out(out),
            },
            [self.n.div_ceil(4 * matvec::THREADS / lanes), out_rows],
            if glu > 0 { GATED } else { F32 },
        )
    }

    /// For many rows: `each` choices share a row of activations.
    pub fn many(
        &self,
        random: &mut Random,
        planes: [u32; 4],
        weights: Data,
        x: &[u32],
        way: (TensorType, u32),
    ) -> Case {
        let (format, each) = way;
        let (pairs, column) = (self.pairs(), 3);
        let (tiles, stride, has_bias) = (room(self.experts, pairs), self.n + 7, self.what != Plain);
        let chosen = choices(random, self.experts, self.used, self.rows);
        let weights = self.spare(weights, format, &chosen);
        let chosen = bits(&chosen);
        let bind =
            group::Bind { choices: &chosen[..], order: &poison(pairs as usize), tiles: &poison(4 * tiles as usize) };
        let grouped =
            mirror(group::Variant {}, group::Params { n: self.experts, pairs, tiles }, bind, [1, self.experts]);
        let bias = if has_bias { bits(&random.floats((self.experts * stride) as usize, 2.0)) } else { poison(4) };
        Case::new(
            matmul_experts::Variant { format },
            format!("{} of {}, {} by {}, for {} rows of {each}", self.used, self.experts, self.n, self.k, self.rows),
            matmul_experts::Params {
                planes,
                n: self.n,
                k_blocks: self.k / 32,
                out_stride: stride,
                column,
                first_expert: self.first,
                n_experts: self.here,
                each,
                has_bias: has_bias as u32,
                pairs,
                tiles,
            },
            matmul_experts::Bind {
                weights,
                x: Data::In(x.to_vec()),
                bias: Data::In(bias),
                order: Data::In(grouped.order),
                tiles: Data::In(grouped.tiles),
                out: Data::Out(poison((pairs * stride) as usize)),
            },
            [tiles, self.n.div_ceil(64)],
            F32,
        )
    }
}

/// The same for many rows, of which some experts have more than a tile.
pub const MANY: [Shape; 5] = [
    shape([1, 0, 1], [32, 32], 1, 40, Plain),
    shape([7, 2, 3], [96, 64], 3, 50, Bias),
    shape([5, 0, 5], [64, 576], 2, 9, Plain),
    shape([70, 8, 60], [32, 96], 5, 33, Bias),
    shape([2, 1, 1], [160, 544], 2, 33, Bias),
];

pub fn run(rig: &mut Rig, format: TensorType) {
    let mut random = Random::new(54);
    for shape in SHAPES {
        let part = shape.weights(&mut random, format);
        let x = bits(&random.floats((shape.inputs() * shape.k) as usize, 1.0));
        for (reduce, lanes) in crate::product::shared(shape.k) {
            rig.run(shape.few(&mut random, part.planes, Data::In(part.words.clone()), &x, (format, reduce, lanes)));
        }
    }
    for shape in MANY {
        let part = shape.weights(&mut random, format);
        for each in [1, shape.used] {
            let x = bits(&random.floats((shape.pairs() / each * shape.k) as usize, 1.0));
            rig.run(shape.many(&mut random, part.planes, Data::In(part.words.clone()), &x, (format, each)));
        }
    }
}

/// Formulas in f64 from the weights as the file holds them.
#[test]
fn experts_products_are_those_of_the_file() {
    let mut random = Random::new(55);
    let shape = shape([3, 0, 3], [32, 256], 2, 2, Summed);
    for &format in TensorType::FORMATS {
        let part = shape.weights(&mut random, format);
        let mut file = vec![0.0; (shape.part_rows() * 256).next_multiple_of(quant::UNIT)];
        quant::dequantize(format, &part.blocks, &mut file);
        let (used, n, k) = (2, 32, 256);
        let chosen = [2.0, 0.5, 0.0, -1.0, 1.0, 2.0, 2.0, 0.25];
        let x = random.floats(2 * used * k, 1.0);
        let mut want = vec![0.0; 2 * n];
        for (pair, choice) in chosen.chunks_exact(2).enumerate() {
            for i in 0..n {
                let row = &file[(choice[0] as usize * n + i) * k..][..k];
                let dot: f64 = row.iter().zip(&x[pair * k..]).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                want[pair / used * n + i] += choice[1] * dot;
            }
        }
        let params = matvec_experts::Params {
            planes: part.planes,
            n: n as u32,
            k_blocks: k as u32 / 32,
            out_stride: n as u32,
            n_experts: 3,
            used: used as u32,
            summed: 1,
            lanes: 16,
            ..Default::default()
        };
        let (x, choices) = (bits(&x), bits(&chosen.map(|v| v as f32)));
        let bind = matvec_experts::Bind {
            weights: &part.words[..],
            x: &x,
            bias: &[],
            norm: &[],
            choices: &choices,
            out: &vec![0; 2 * n],
        };
        let variant = matvec_experts::Variant { format, reduce: Reduce::Tree };
        close(floats(&mirror(variant, params, bind, [1, 2]).out), &want, 1e-4);
    }
}
