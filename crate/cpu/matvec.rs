//! Mirror of `shaders/matvec.wgsl`, `shaders/matvec_rows.wgsl` and `shaders/matvec_dot.wgsl`: one product, the last with
//! activations made integers.

use super::{Args, floats, floats_mut, glu::activate, quantize::Integers};
use crate::params::MatVec;

/// read: weights, weights (word view), x, bias, norm, rows; write: out.
pub fn run(mut args: Args) {
    let p: MatVec = args.params();
    let (n, k) = (p.n as usize, p.k_blocks as usize * 32);
    let (w, planes) = (args.weights(p.planes, n * k), args.planes());
    let (x, bias, norm, rows) = (floats(args.read[2]), floats(args.read[3]), floats(args.read[4]), args.read[5]);
    let out = floats_mut(args.write[0]);
    for r in 0..args.grid[1] as usize {
        let row = if p.gather != 0 { rows[r] as usize } else { r };
        let x = &x[row * k..][..k];
        let mut scale = 1.0;
        let mut weighted = x.to_vec();
        if p.has_norm != 0 {
            let mean = x.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / k as f64;
            scale = 1.0 / (mean + p.eps as f64).sqrt();
            weighted.iter_mut().zip(norm).for_each(|(v, weight)| *v *= weight);
        }
        let x: Vec<f64> = match planes {
            Some(planes) => weighted.chunks_exact(32).flat_map(|x| Integers::new(x, planes).values()).collect(),
            None => weighted.iter().map(|&v| v as f64).collect(),
        };
        let dot = |i: usize| scale * w[i * k..][..k].iter().zip(&x).map(|(&a, b)| a as f64 * b).sum::<f64>();
        for i in 0..if p.glu != 0 { n / 2 } else { n } {
            let mut y = dot(i);
            if p.glu != 0 {
                y = activate(y, p.glu == 2) * dot(n / 2 + i);
            }
            if p.has_bias != 0 {
                y += bias[p.column as usize + i] as f64;
            }
            let to = &mut out[r * p.out_stride as usize + p.column as usize + i];
            *to = if p.accumulate != 0 { *to + y as f32 } else { y as f32 };
        }
    }
}
