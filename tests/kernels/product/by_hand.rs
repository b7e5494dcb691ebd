//! The mirrors of products against formulas in f64 from the weights as the file holds them.

use sotto::kernels::table::choices::{Reduce, X};
use sotto::kernels::table::{matmul, matvec, rmsnorm};
use sotto::quant::{self, TensorType};

use crate::case::{bits, close, floats};
use crate::host::mirror;
use crate::random::{Random, part};

#[test]
fn products_are_those_of_the_file() {
    let mut random = Random::new(8);
    let (n, k, m, stride, column) = (9, 160, 3, 14, 4);
    for &format in TensorType::FORMATS {
        let part = part(&mut random, format, n * k, 999);
        let mut file = vec![0.0; (n * k).next_multiple_of(quant::UNIT)];
        quant::dequantize(format, &part.blocks, &mut file);
        let x = random.floats(m * k, 1.0);
        let bias = random.floats(stride, 1.0);
        for (has_bias, accumulate) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            // Column by column of W, into what was there.
            let mut want = vec![0.5f64; m * stride];
            for row in 0..m {
                for j in column..column + n {
                    let start = if accumulate == 1 { 0.5 } else { 0.0 };
                    want[row * stride + j] = start + if has_bias == 1 { bias[j] as f64 } else { 0.0 };
                }
            }
            for i in (0..k).rev() {
                for j in 0..n {
                    for row in 0..m {
                        want[row * stride + column + j] += 0.5 * file[j * k + i] as f64 * x[row * k + i] as f64;
                    }
                }
            }
            let params = matmul::Params {
                planes: part.planes,
                n: n as u32,
                k_blocks: k as u32 / 32,
                out_stride: stride as u32,
                column: column as u32,
                has_bias,
                accumulate,
                m: m as u32,
                scale: 0.5,
            };
            let (weights, x, bias) = (&part.words[..], &bits(&x)[..], &bits(&bias)[..]);
            let out = &bits(&vec![0.5; m * stride])[..];
            let (variant, grid) = (matmul::Variant { format, x: X::Direct }, [1, m as u32]);
            let got = mirror(variant, params, matmul::Bind { weights, x, bias, out }, grid).out;
            close(floats(&got), &want, 1e-5);
            let params = matvec::Params {
                planes: part.planes,
                n: n as u32,
                k_blocks: k as u32 / 32,
                out_stride: stride as u32,
                column: column as u32,
                has_bias,
                accumulate,
                scale: 0.5,
                m: m as u32,
                ..Default::default()
            };
            let none = &[0; 4];
            let bind = matvec::Bind { weights, x, bias, norm: none, rows: none, out };
            let got = mirror(matvec::Variant { format, reduce: Reduce::Tree }, params, bind, grid).out;
            close(floats(&got), &want, 1e-5);
        }
    }
}

#[test]
fn a_fused_product_is_its_steps_one_by_one() {
    let mut random = Random::new(18);
    let (f, k, format) = (7, 64, TensorType::Q4_K);
    let part = part(&mut random, format, 2 * f * k, 0);
    let (x, norm) = (bits(&random.floats(3 * k, 2.0)), bits(&random.floats(k, 2.0)));
    let (rows, none) = (&[2u32, 0], &[0; 4]);
    let params = rmsnorm::Params { k4: k as u32 / 4, eps: 0.5, gather: 1, accumulate: 0 };
    let bind = rmsnorm::Bind { x: &x[..], weight: &norm, rows, out: &vec![0; 2 * k] };
    let normed = mirror(rmsnorm::Variant { reduce: Reduce::Tree }, params, bind, [1, 2]).out;
    let (planes, n, k_blocks) = (part.planes, 2 * f as u32, k as u32 / 32);
    let params = matmul::Params { planes, n, k_blocks, out_stride: n, m: 2, scale: 1.0, ..Default::default() };
    let bind = matmul::Bind { weights: &part.words[..], x: &normed, bias: none, out: &vec![0; 4 * f] };
    let product = mirror(matmul::Variant { format, x: X::Direct }, params, bind, [1, 2]).out;
    let product = floats(&product);
    for glu in [1, 2] {
        let params = matvec::Params {
            planes,
            n,
            k_blocks,
            out_stride: f as u32,
            gather: 1,
            has_norm: 1,
            eps: 0.5,
            glu,
            scale: 1.0,
            m: 2,
            ..Default::default()
        };
        let bind =
            matvec::Bind { weights: &part.words[..], x: &x, bias: none, norm: &norm, rows, out: &vec![0; 2 * f] };
        let fused = mirror(matvec::Variant { format, reduce: Reduce::Tree }, params, bind, [1, 2]).out;
        let want: Vec<f64> = (0..2 * f)
            .map(|i| {
                let row = i / f * 2 * f;
                let (g, up) = (product[row + i % f] as f64, product[row + f + i % f] as f64);
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                up * g * if glu == 1 { 1.0 / (1.0 + (-g).exp()) } else { 0.5 * (1.0 + inner.tanh()) }
            })
            .collect();
        close(floats(&fused), &want, 1e-5);
    }
}
