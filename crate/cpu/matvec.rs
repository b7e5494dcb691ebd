//! Mirror of `shaders/matvec.wgsl` and `shaders/matvec_rows.wgsl`: one product, two ways to share the work.

use super::{Args, floats, floats_mut, glu::activate};
use crate::params::MatVec;

/// read: weights, weights (word view), x, bias, norm, rows; write: out.
pub fn run(mut args: Args) {
    let p: MatVec = args.params();
    let (n, k) = (p.n as usize, p.k_blocks as usize * 32);
    let w = args.weights(p.planes, n * k);
    let (x, bias, norm, rows) = (floats(args.read[2]), floats(args.read[3]), floats(args.read[4]), args.read[5]);
    let out = floats_mut(args.write[0]);
    for r in 0..args.grid[1] as usize {
        let row = if p.gather != 0 { rows[r] as usize } else { r };
        let mut x: Vec<f64> = x[row * k..][..k].iter().map(|&v| v as f64).collect();
        if p.has_norm != 0 {
            let mean = x.iter().map(|v| v * v).sum::<f64>() / k as f64;
            let scale = 1.0 / (mean + p.eps as f64).sqrt();
            x.iter_mut().zip(norm).for_each(|(v, &weight)| *v *= scale * weight as f64);
        }
        let dot = |i: usize| -> f64 { w[i * k..][..k].iter().zip(&x).map(|(&a, b)| a as f64 * b).sum() };
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
