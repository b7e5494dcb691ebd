//! Mirror of `shaders/elementwise/glu.wgsl`.

use crate::kernels::params::Glu;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;

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
            out[r * f + i] = activate(gate as f64, p.gelu != 0) as f32 * up;
        }
    }
}

/// SiLU, or GELU in its tanh form.
pub(crate) fn activate(g: f64, gelu: bool) -> f64 {
    let z = if gelu { (8.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g * g * g) } else { g };
    g / (1.0 + (-z).exp())
}
