//! Mirror of `shaders/gather/embed.wgsl`.

use crate::kernels::params::Embed;
use crate::kernels::reference::Args;
use crate::kernels::reference::floats_mut;

/// read: weights, weights (word view), batch; write: out.
pub fn run(mut args: Args) {
    let p: Embed = args.params();
    let k = p.k_blocks as usize * 32;
    let w = args.weights(p.planes, p.n_rows as usize * k);
    let batch = args.read[2];
    let out = floats_mut(args.write[0]);
    for r in 0..args.grid[1] as usize {
        let row = batch[4 * r].wrapping_sub(p.first_row) as usize;
        if row < p.n_rows as usize {
            for i in 0..k {
                out[r * k + i] = p.scale * w[row * k + i];
            }
        }
    }
}
