//! The CPU backend's matrix kernels for every tensor type: their weights are arranged first, and activations rounded to
//! integers.

use sotto::kernels::job::{Exactness, Together};
use sotto::kernels::product::quads;
use sotto::kernels::table::choices::{Reduce, X};
use sotto::kernels::table::{embed, matmul, matvec};
use sotto::quant::TensorType::{self, F32, IQ1_S, IQ2_S, IQ3_S, IQ3_XXS, IQ4_NL, IQ4_XS, MXFP4, Q8_0};

use crate::case::{Case, Data, bits};
use crate::experts::products::{MANY, SHAPES};
use crate::host::Rig;
use crate::random::{Part, Random, output, part, poison};

/// Activations that the integers hold exactly leave the roundings of f32 alone.
const EXACT: f64 = 1e-12;
/// Else they are rounded to 16 bits, or to 8.
const SHORTS: f64 = 5e-9;
/// The logic of the fused steps is held to SHORTS; random weights cancel more than a model does.
const BYTES: f64 = 1e-2;

/// Weights are rounded in many rows of a model that writes nothing: by less than they were when they were made.
const HALVES: f64 = 5e-8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Precise,
    Fast,
    Rounded,
    RoundedFast,
    Whole,
}

impl Mode {
    const ALL: [Mode; 4] = [Mode::Precise, Mode::Fast, Mode::Rounded, Mode::RoundedFast];

    fn exactness(self) -> Exactness {
        let together = match self {
            Mode::Precise | Mode::Fast => Together::AsOne,
            Mode::Rounded | Mode::RoundedFast => Together::Rounded,
            Mode::Whole => Together::Whole,
        };
        Exactness { bytes: self.is_fast(), together }
    }

    fn is_fast(self) -> bool {
        matches!(self, Mode::Fast | Mode::RoundedFast)
    }

    /// Whether products of so many rows round weights: quantized ones where the rows make up for it.
    fn rounds(self, kind: TensorType, rows: u32) -> bool {
        let own = if kind.is_quantized() { rows < 64 || self.bytes(kind) } else { kind == F32 && !self.is_fast() };
        matches!(self, Mode::Rounded | Mode::RoundedFast) && !own
    }

    /// Whether activations become bytes.
    fn bytes(self, kind: TensorType) -> bool {
        let wide = [Q8_0, IQ4_NL, IQ4_XS, MXFP4, IQ2_S].contains(&kind);
        self.is_fast() && !wide && kind.is_quantized()
    }

    /// The largest integer of an activation.
    fn most(self, kind: TensorType) -> i32 {
        if self.bytes(kind) { 127 } else { 32767 }
    }
}

/// A matrix of `n` rows of `k`, with room for whole fours of rows.
struct Matrix {
    kind: TensorType,
    n: usize,
    k: usize,
    part: Part,
}

impl Matrix {
    /// `k` may grow, to fit the type's blocks.
    fn new(random: &mut Random, kind: TensorType, n: usize, k: usize, slack: usize) -> Matrix {
        let k = k.next_multiple_of(kind.block_len().max(32));
        Matrix { kind: kind.stored(), n, k, part: part(random, kind, n.next_multiple_of(4) * k, slack) }
    }

    /// Runs a case of this matrix: the mirror as it is, the CPU backend once it is arranged.
    fn check(&self, rig: &mut Rig, mode: Mode, case: impl Fn(Data) -> Case) {
        let mut arranged = self.part.words.clone();
        quads::arrange(self.kind, &mut arranged, self.part.planes, self.n, self.k / 32);
        let plain = case(Data::In(self.part.words.clone()));
        rig.compare(&plain, &case(Data::In(arranged)), mode.exactness());
    }
}

/// Every format with a type that is stored so; one type for each table that a format's codes may have.
fn kinds() -> impl Iterator<Item = (TensorType, TensorType)> {
    let others = [IQ3_S, IQ3_XXS, IQ1_S];
    TensorType::FORMATS.iter().copied().chain(others).map(|kind| (kind, kind.stored()))
}

/// Rows whose blocks of 32 are exact in the integers of a mode.
fn exact(random: &mut Random, count: usize, most: i32) -> Vec<u32> {
    let mut x: Vec<i32> = (0..count).map(|_| (random.next() % (2 * most as u64 + 1)) as i32 - most).collect();
    x.chunks_mut(32).for_each(|block| block[(random.next() % 32) as usize] = most);
    x.iter().map(|&v| (v as f32 / 64.0).to_bits()).collect()
}

/// The columns that a product adds to.
fn added(add: bool, column: u32, n: usize) -> std::ops::Range<u32> {
    column..if add { column + n as u32 } else { column }
}

pub fn single_rows(rig: &mut Rig) {
    let mut random = Random::new(1);
    for (kind, format) in kinds() {
        for (n, k, m, bias, add, gather, norm, glu, column, stride) in [
            (1, 32, 3, false, false, false, false, 0, 0, 1),
            (5, 96, 1, true, false, false, false, 0, 3, 11),
            (18, 576, 2, false, true, false, false, 0, 0, 20),
            (63, 640, 3, true, false, false, true, 0, 1, 64),
            (16, 544, 2, false, false, true, true, 0, 7, 23),
            (64, 512, 4, false, true, true, false, 0, 5, 70),
            (128, 2080, 1, false, false, false, true, 1, 0, 64),
            (64, 96, 2, false, false, false, false, 2, 0, 32),
        ] {
            let matrix = Matrix::new(&mut random, kind, n, k, 300);
            for mode in Mode::ALL {
                let count = m as usize * if gather { 2 } else { 1 } * matrix.k;
                let rounded = norm || glu > 0;
                let x = match rounded {
                    true => bits(&random.floats(count, 1.0)),
                    false => exact(&mut random, count, mode.most(format)),
                };
                let norms = bits(&random.floats(matrix.k, 2.0));
                let biases = bits(&random.floats(stride as usize, 2.0));
                let out = output(&mut random, m, stride, added(add, column, n), 1.0);
                let rows: Vec<u32> = (0..m).rev().map(|r| 2 * r + 1).collect();
                let params = matvec::Params {
                    planes: matrix.part.planes,
                    n: n as u32,
                    k_blocks: matrix.k as u32 / 32,
                    out_stride: stride,
                    column,
                    has_bias: bias as u32,
                    accumulate: add as u32,
                    gather: gather as u32,
                    has_norm: norm as u32,
                    eps: 0.03,
                    glu,
                    lanes: 16,
                    scale: if glu > 0 { 1.0 } else { 0.5 },
                    m,
                };
                let ceiling = match (rounded, mode.bytes(format)) {
                    (false, _) => EXACT,
                    (_, true) => BYTES,
                    _ => SHORTS,
                };
                matrix.check(rig, mode, |weights| {
                    Case::new(
                        matvec::Variant { format, reduce: Reduce::Tree },
                        format!("{n} by {} for {m} rows, norm {norm}, gate {glu}, {mode:?}", matrix.k),
                        params,
                        matvec::Bind {
                            weights,
                            x: Data::In(x.clone()),
                            bias: Data::In(biases.clone()),
                            norm: Data::In(norms.clone()),
                            rows: Data::In(rows.clone()),
                            out: Data::Out(out.clone()),
                        },
                        [m, 1],
                        ceiling,
                    )
                });
            }
        }
    }
}

pub fn many_rows(rig: &mut Rig) {
    let mut random = Random::new(2);
    for (kind, format) in kinds() {
        for (n, k, m, bias, add, column, stride) in [
            (1, 32, 5, false, false, 0, 1),
            (5, 96, 1, true, false, 3, 11),
            (17, 576, 8, false, true, 0, 20),
            (63, 640, 7, true, true, 1, 64),
            (130, 64, 66, true, true, 2, 140),
            (38, 672, 65, false, false, 0, 38),
        ] {
            let matrix = Matrix::new(&mut random, kind, n, k, 300);
            for mode in Mode::ALL.into_iter().chain([Mode::Whole]) {
                let x = exact(&mut random, m as usize * matrix.k, mode.most(format));
                let out = output(&mut random, m, stride, added(add, column, n), 1.0);
                let params = matmul::Params {
                    planes: matrix.part.planes,
                    n: n as u32,
                    k_blocks: matrix.k as u32 / 32,
                    out_stride: stride,
                    column,
                    has_bias: bias as u32,
                    accumulate: add as u32,
                    m,
                    scale: 0.5,
                };
                let biases = bits(&random.floats(stride as usize, 2.0));
                matrix.check(rig, mode, |weights| {
                    Case::new(
                        matmul::Variant { format, x: X::Direct },
                        format!("{n} by {} for {m} rows, bias {bias}, accumulate {add}, {mode:?}", matrix.k),
                        params,
                        matmul::Bind {
                            weights,
                            x: Data::In(x.clone()),
                            bias: Data::In(biases.clone()),
                            out: Data::Out(out.clone()),
                        },
                        [1, 1],
                        if mode.rounds(format, m) { HALVES } else { EXACT },
                    )
                });
            }
        }
    }
}

pub fn experts(rig: &mut Rig) {
    let mut random = Random::new(4);
    for (kind, format) in kinds() {
        for shape in SHAPES {
            let shape = shape.of(kind);
            let matrix = Matrix::new(&mut random, kind, shape.part_rows(), shape.k as usize, 300);
            for mode in Mode::ALL {
                let count = shape.inputs() as usize * matrix.k;
                let x = match shape.is_rounded() {
                    true => bits(&random.floats(count, 1.0)),
                    false => exact(&mut random, count, mode.most(format)),
                };
                let ceiling = match (shape.is_rounded(), mode.bytes(format)) {
                    (false, _) => EXACT,
                    (_, true) => BYTES,
                    _ => SHORTS,
                };
                let seed = random.next();
                matrix.check(rig, mode, |weights| {
                    let way = (format, Reduce::Tree, 16);
                    let case = shape.few(&mut Random::new(seed), matrix.part.planes, weights, &x, way);
                    Case { ceiling, ..case }
                });
            }
        }
        for shape in MANY {
            let shape = shape.of(kind);
            let matrix = Matrix::new(&mut random, kind, shape.part_rows(), shape.k as usize, 300);
            for (mode, each) in Mode::ALL.into_iter().flat_map(|mode| [(mode, 1), (mode, shape.used)]) {
                let x = exact(&mut random, (shape.pairs() / each) as usize * matrix.k, mode.most(format));
                let seed = random.next();
                matrix.check(rig, mode, |weights| {
                    shape.many(&mut Random::new(seed), matrix.part.planes, weights, &x, (format, each))
                });
            }
        }
    }
}

pub fn by_head(rig: &mut Rig) {
    let mut random = Random::new(5);
    for ((kind, format), turned) in kinds().flat_map(|kind| [false, true].map(|turned| (kind, turned))) {
        for shape in super::by_head::SHAPES {
            let shape = shape.of(kind);
            let rows = (shape.heads * shape.each) as usize;
            let matrix = Matrix::new(&mut random, kind, rows, shape.k as usize, 300);
            let seed = random.next();
            matrix.check(rig, Mode::Fast, |weights| {
                shape.case(&mut Random::new(seed), matrix.part.planes, weights, (format, turned))
            });
        }
    }
}

pub fn embeddings(rig: &mut Rig) {
    let mut random = Random::new(3);
    for (kind, format) in kinds() {
        for (n_rows, k, first_row, scale) in [(1, 32, 0u32, 1.0), (7, 96, 5, 0.125), (13, 640, 1000, 25.298)] {
            let matrix = Matrix::new(&mut random, kind, n_rows as usize, k, 256);
            let end = first_row + n_rows;
            let tokens = [first_row, end, end - 1, first_row.wrapping_sub(1), first_row + n_rows / 2, u32::MAX];
            let batch: Vec<u32> = tokens.iter().flat_map(|&t| [t, 7, 9, 0]).collect();
            let k_blocks = matrix.k as u32 / 32;
            matrix.check(rig, Mode::Fast, |weights| {
                Case::new(
                    embed::Variant { format },
                    format!("{n_rows} rows of {} from row {first_row}", matrix.k),
                    embed::Params { planes: matrix.part.planes, k_blocks, first_row, n_rows, scale, by: 0 },
                    embed::Bind {
                        weights,
                        batch: Data::In(batch.clone()),
                        out: Data::Out(poison(tokens.len() * matrix.k)),
                    },
                    [1, tokens.len() as u32],
                    EXACT,
                )
            });
        }
    }
}
