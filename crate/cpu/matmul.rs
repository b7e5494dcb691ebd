//! Mirror of `shaders/matmul.wgsl` and `shaders/matmul_tile.wgsl`: one product, two ways to share the work.

use super::{Args, floats, floats_mut};
use crate::params::MatMul;

/// read: weights, weights (word view), x, bias; write: out.
pub fn run(mut args: Args) {
    let p: MatMul = args.params();
    let (n_rows, k) = (p.n as usize, p.k_blocks as usize * 32);
    let w = args.weights(p.planes, n_rows * k);
    let (x, bias) = (floats(args.read[2]), floats(args.read[3]));
    let out = floats_mut(args.write[0]);
    for m in 0..p.m as usize {
        let x = &x[m * k..][..k];
        for n in 0..n_rows {
            let dot: f64 = w[n * k..][..k].iter().zip(x).map(|(&a, &b)| a as f64 * b as f64).sum();
            let at = m * p.out_stride as usize + p.column as usize + n;
            let mut y = dot as f32;
            if p.has_bias != 0 {
                y += bias[p.column as usize + n];
            }
            out[at] = if p.accumulate != 0 { out[at] + y } else { y };
        }
    }
}
