//! Mirror of `shaders/attention/attention_combine.wgsl`.

use crate::kernels::params::AttentionCombine;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats;
use crate::kernels::reference::floats_mut;

/// read: parts; write: out.
pub fn run(mut args: Args) {
    let p: AttentionCombine = args.params();
    let (dim, splits) = (p.dim4 as usize * 4, p.splits as usize);
    let (parts, out) = (floats(args.read[0]), floats_mut(args.write[0]));
    for head in 0..(args.grid[0] * args.grid[1]) as usize {
        let part = |s: usize| &parts[(head * splits + s) * (dim + 4)..][..dim + 2];
        let top = (0..splits).map(|s| part(s)[dim]).fold(f32::MIN, f32::max) as f64;
        let share = |s: usize| (part(s)[dim] as f64 - top).exp();
        let total: f64 = (0..splits).map(|s| share(s) * part(s)[dim + 1] as f64).sum();
        for i in 0..dim {
            let sum: f64 = (0..splits).map(|s| share(s) * part(s)[i] as f64).sum();
            out[head * dim + i] = (sum / total) as f32;
        }
    }
}
