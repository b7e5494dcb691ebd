//! Mirror of `shaders/norm/rmsnorm.wgsl`.

use crate::kernels::params::RmsNorm;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;

/// read: x, weight, rows; write: out.
pub fn run(mut args: Args) {
    let p: RmsNorm = args.params();
    let k = p.k4 as usize * 4;
    let (x, weight, rows) = (floats(args.read[0]), floats(args.read[1]), args.read[2]);
    let out = floats_mut(args.write[0]);
    for r in 0..args.grid[1] as usize {
        let src = if p.gather != 0 { rows[r] as usize } else { r };
        let x = &x[src * k..][..k];
        let mean = x.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / k as f64;
        let scale = (1.0 / (mean + p.eps as f64).sqrt()) as f32;
        for i in 0..k {
            let y = x[i] * scale * weight[i];
            out[r * k + i] = if p.accumulate != 0 { out[r * k + i] + y } else { y };
        }
    }
}
