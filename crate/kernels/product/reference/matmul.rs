//! Mirror of `shaders/product/matmul.wgsl`, `shaders/product/matmul_tile.wgsl` and `shaders/product/matmul_dot.wgsl`: one product, the last with
//! activations that are integers.

use super::quantize::Integers;
use crate::kernels::params::MatMul;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;

/// read: weights, weights (word view), x, bias; write: out.
pub fn run(mut args: Args) {
    let p: MatMul = args.params();
    let (n_rows, k) = (p.n as usize, p.k_blocks as usize * 32);
    let w = args.weights(p.planes, n_rows * k);
    let bias = floats(args.read[3]);
    let x: Vec<f64> = match args.planes() {
        Some(planes) => {
            let records = args.read[2].chunks_exact(Integers::words(planes)).take(p.m as usize * k / 32);
            records.flat_map(|record| Integers::read(planes, record).values()).collect()
        }
        None => floats(&args.read[2][..p.m as usize * k]).iter().map(|&v| v as f64).collect(),
    };
    let out = floats_mut(args.write[0]);
    for m in 0..p.m as usize {
        let x = &x[m * k..][..k];
        for n in 0..n_rows {
            let dot: f64 = w[n * k..][..k].iter().zip(x).map(|(&a, b)| a as f64 * b).sum();
            let at = m * p.out_stride as usize + p.column as usize + n;
            let mut y = dot as f32;
            if p.has_bias != 0 {
                y += bias[p.column as usize + n];
            }
            out[at] = if p.accumulate != 0 { out[at] + y } else { y };
        }
    }
}
