//! Mirror of `shaders/glu.wgsl`.

use super::{Args, floats, floats_mut};
use crate::params::Glu;

/// read: gate_up; write: out.
pub fn run(mut args: Args) {
    let p: Glu = args.params();
    let f = p.f4 as usize * 4;
    let gate_up = floats(args.read[0]);
    let out = floats_mut(args.write[0]);
    for r in 0..args.grid[1] as usize {
        for i in 0..f {
            let gate = gate_up[r * 2 * f + i];
            let up = gate_up[r * 2 * f + f + i];
            let g = gate as f64;
            let z = if p.gelu != 0 { (8.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g * g * g) } else { g };
            out[r * f + i] = (g / (1.0 + (-z).exp())) as f32 * up;
        }
    }
}
