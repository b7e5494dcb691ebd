//! Mirror of `shaders/product/matvec.wgsl`, `shaders/product/matvec_rows.wgsl` and `shaders/product/matvec_dot.wgsl`: one product, the last with
//! activations made integers. And of `shaders/product/matvec_post.wgsl` and `shaders/product/matvec_dot_post.wgsl`.

use super::quantize::Integers;
use crate::kernels::elementwise::reference::glu::activate;
use crate::kernels::params::MatVec;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;

/// read: weights, weights (word view), x, bias, norm, rows; write: out.
pub fn run(mut args: Args) {
    let p: MatVec = args.params();
    let k = p.k_blocks as usize * 32;
    let (x, bias, norm, rows) = (floats(args.read[2]), floats(args.read[3]), floats(args.read[4]), args.read[5]);
    let row = |r: usize| if p.gather != 0 { rows[r] as usize } else { r };
    let x: Vec<f32> = (0..args.grid[1] as usize).flat_map(|r| &x[row(r) * k..][..k]).copied().collect();
    product(&mut args, p, &x, norm, bias);
}

/// read: weights, weights (word view), x, p, norm, post; write: out, x_next.
pub fn run_post(mut args: Args) {
    let params: MatVec = args.params();
    let k = params.k_blocks as usize * 32;
    let [x, p, norm, post] = [2, 3, 4, 5].map(|binding| floats(args.read[binding]));
    let x_next = &mut floats_mut(args.write[1])[..args.grid[1] as usize * k];
    for (r, x_next) in x_next.chunks_exact_mut(k).enumerate() {
        let (x, p) = (&x[r * k..], &p[r * k..][..k]);
        let mean = p.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / k as f64;
        let scale = (1.0 / (mean + params.eps as f64).sqrt()) as f32;
        for i in 0..k {
            x_next[i] = x[i] + p[i] * scale * post[i];
        }
    }
    let x = x_next.to_vec();
    product(&mut args, MatVec { has_bias: 0, accumulate: 0, ..params }, &x, norm, &[]);
}

/// What is left once the input's rows are there.
fn product(args: &mut Args, p: MatVec, x: &[f32], norm: &[f32], bias: &[f32]) {
    let (n, k) = (p.n as usize, p.k_blocks as usize * 32);
    let (w, planes) = (args.weights(p.planes, n * k), args.planes());
    let out = floats_mut(args.write[0]);
    for (r, x) in x.chunks_exact(k).enumerate() {
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
