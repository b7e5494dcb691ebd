//! The matrix kernels for every tensor type: their weights are arranged first, and activations rounded to integers.

use sotto::kernels;
use sotto::kernels::cpu::{Job, Scratch, Shared};
use sotto::kernels::params::{Embed, MatMul, MatVec};
use sotto::kernels::product::simd::quads;
use sotto::kernels::reference;
use sotto::quant::TensorType;

use crate::gpu;
use crate::random::{self, Random, part, poison};

/// Activations that the integers hold exactly leave the roundings of f32 alone.
const EXACT: f64 = 1e-12;
/// Else they are rounded to 16 bits, or to 8.
const SHORTS: f64 = 5e-9;
/// The logic of the fused steps is held to SHORTS; random weights cancel more than a model does.
const BYTES: f64 = 1e-2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Precise,
    Fast,
}

/// Runs a dispatch on its mirror and, the weights arranged, on the CPU backend: in one go, and piece by piece.
fn check<P: bytemuck::Pod>(
    variant: &str,
    params: P,
    weights: (TensorType, [u32; 4], usize, usize),
    buffers: &[Vec<u32>],
    out: &[u32],
    grid: [u32; 3],
    mode: Mode,
    ceiling: f64,
) {
    let (kernel, id) = kernels::find(variant).expect(variant);
    let bytes = bytemuck::bytes_of(&params);
    let mut want = out.to_vec();
    (kernel.mirror)(reference::Args {
        variant: id.get().name,
        params: bytes,
        grid,
        read: buffers.iter().map(Vec::as_slice).collect(),
        write: vec![&mut want],
    });
    let (kind, planes, n_rows, blocks) = weights;
    let mut buffers = buffers.to_vec();
    quads::arrange(kind, &mut buffers[0], planes, n_rows, blocks);
    let run = |whole: bool| {
        let mut got = out.to_vec();
        let mut buffers = buffers.clone();
        let mut shared: Vec<Shared> = buffers.iter_mut().map(|words| Shared::new(words)).collect();
        shared.push(Shared::new(&mut got));
        let job = unsafe { Job::new(id.get().name, bytes, grid, &shared, mode == Mode::Precise) };
        let simd = kernel.simd.expect("a kernel for the CPU");
        let pieces = (simd.pieces)(&job);
        let mut scratch = Scratch::default();
        if whole {
            (simd.run)(&job, 0..pieces, &mut scratch);
        } else {
            (0..pieces).rev().for_each(|piece| (simd.run)(&job, piece..piece + 1, &mut scratch));
        }
        got
    };
    let got = run(true);
    assert!(got == run(false), "{variant} depends on how it is cut up");
    let (mut error, mut power) = (0.0, 0.0);
    for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
        assert_eq!(got == gpu::POISON, want == gpu::POISON, "{variant}, {mode:?}: element {i} of the output");
        if want != gpu::POISON {
            let (got, want) = (f32::from_bits(got) as f64, f32::from_bits(want) as f64);
            error += (got - want).powi(2);
            power += want.powi(2);
        }
    }
    assert!(error <= ceiling * power, "{variant}, {mode:?}: error {:.2e} over {ceiling:.0e}", error / power);
}

/// Rows whose blocks of 32 are exact in the integers of a mode.
fn exact(random: &mut Random, count: usize, most: i32) -> Vec<u32> {
    let mut x: Vec<i32> = (0..count).map(|_| (random.next() % (2 * most as u64 + 1)) as i32 - most).collect();
    x.chunks_mut(32).for_each(|block| block[(random.next() % 32) as usize] = most);
    x.iter().map(|&v| (v as f32 / 64.0).to_bits()).collect()
}

fn bits(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// Room for whole fours of rows.
fn weights(random: &mut Random, kind: TensorType, n: usize, k: usize, slack: usize) -> random::Part {
    part(random, kind, n.next_multiple_of(4) * k, slack)
}

/// Columns that fit a type's blocks.
fn fit(kind: TensorType, k: usize) -> usize {
    k.next_multiple_of(kind.block_len().max(32))
}

#[test]
fn products_of_one_row() {
    let mut random = Random::new(1);
    for kind in TensorType::ALL {
        // (n, k, rows, bias, add, gather, norm, glu, column, stride)
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
            let k = fit(kind, k);
            let part = weights(&mut random, kind, n, k, 300);
            for mode in [Mode::Precise, Mode::Fast] {
                let bytes = mode == Mode::Fast && kind != TensorType::Q8_0 && kind.is_quantized();
                let most = if bytes { 127 } else { 32767 };
                let count = m * if gather { 2 } else { 1 } * k;
                let rounded = norm || glu > 0;
                let x = if rounded { bits(random.floats(count, 1.0)) } else { exact(&mut random, count, most) };
                let norms = bits(random.floats(k, 2.0));
                let biases = bits(random.floats(stride, 2.0));
                let mut out = poison(m * stride);
                if add {
                    for row in out.chunks_exact_mut(stride) {
                        row[column..][..n].iter_mut().for_each(|w| *w = random.unit().to_bits());
                    }
                }
                let params = MatVec {
                    planes: part.planes,
                    n: n as u32,
                    k_blocks: k as u32 / 32,
                    out_stride: stride as u32,
                    column: column as u32,
                    has_bias: bias as u32,
                    accumulate: add as u32,
                    gather: gather as u32,
                    has_norm: norm as u32,
                    eps: 0.03,
                    glu,
                    lanes: 16,
                    pad: 0,
                };
                let rows = (0..m as u32).rev().map(|r| 2 * r + 1).collect();
                let buffers = [part.words.clone(), part.words.clone(), x, biases, norms, rows];
                let ceiling = match (rounded, bytes) {
                    (false, _) => EXACT,
                    (_, true) => BYTES,
                    _ => SHORTS,
                };
                let variant = format!("matvec.{}.tree", kind.name().to_lowercase());
                let weights = (kind, part.planes, n, k / 32);
                check(&variant, params, weights, &buffers, &out, [1, m as u32, 1], mode, ceiling);
            }
        }
    }
}

#[test]
fn products_of_many_rows() {
    let mut random = Random::new(2);
    for kind in TensorType::ALL {
        for (n, k, m, bias, add, column, stride) in [
            (1, 32, 5, false, false, 0, 1),
            (5, 96, 1, true, false, 3, 11),
            (17, 576, 8, false, true, 0, 20),
            (63, 640, 7, true, true, 1, 64),
            (130, 64, 66, true, true, 2, 140),
        ] {
            let k = fit(kind, k);
            let part = weights(&mut random, kind, n, k, 300);
            for mode in [Mode::Precise, Mode::Fast] {
                let bytes = mode == Mode::Fast && kind != TensorType::Q8_0 && kind.is_quantized();
                let x = exact(&mut random, m * k, if bytes { 127 } else { 32767 });
                let mut out = poison(m * stride);
                if add {
                    for row in out.chunks_exact_mut(stride) {
                        row[column..][..n].iter_mut().for_each(|w| *w = random.unit().to_bits());
                    }
                }
                let params = MatMul {
                    planes: part.planes,
                    n: n as u32,
                    k_blocks: k as u32 / 32,
                    out_stride: stride as u32,
                    column: column as u32,
                    has_bias: bias as u32,
                    accumulate: add as u32,
                    m: m as u32,
                    pad: 0,
                };
                let buffers = [part.words.clone(), part.words.clone(), x, bits(random.floats(stride, 2.0))];
                let variant = format!("matmul.{}.direct", kind.name().to_lowercase());
                let weights = (kind, part.planes, n, k / 32);
                check(&variant, params, weights, &buffers, &out, [1, 1, 1], mode, EXACT);
            }
        }
    }
}

#[test]
fn embeddings() {
    let mut random = Random::new(3);
    for kind in TensorType::ALL {
        for (n_rows, k, first_row, scale) in [(1, 32, 0u32, 1.0), (7, 96, 5, 0.125), (13, 640, 1000, 25.298)] {
            let k = fit(kind, k);
            let part = weights(&mut random, kind, n_rows as usize, k, 256);
            let end = first_row + n_rows;
            let tokens = [first_row, end, end - 1, first_row.wrapping_sub(1), first_row + n_rows / 2, u32::MAX];
            let batch = tokens.iter().flat_map(|&t| [t, 7, 9, 0]).collect();
            let params = Embed { planes: part.planes, k_blocks: k as u32 / 32, first_row, n_rows, scale };
            let buffers = [part.words.clone(), part.words.clone(), batch];
            let variant = format!("embed.{}", kind.name().to_lowercase());
            let (weights, out) = ((kind, part.planes, n_rows as usize, k / 32), poison(tokens.len() * k));
            check(&variant, params, weights, &buffers, &out, [1, 6, 1], Mode::Fast, EXACT);
        }
    }
}
