//! Rows that are looked up. The shaders are in `shaders/gather`.

mod embed;

pub(in crate::kernels) use embed::{Weights, row_of};

use super::cell;
use super::cpu;
use super::face::OnCpu;
use super::job::Job;
use super::table::embed::Variant;
use super::weights::dequantized;

impl OnCpu for Variant {
    const SIMD: Option<&'static cpu::Kernel> = Some(&embed::KERNEL);

    fn mirror(job: &Job) {
        let (p, b) = (job.params::<Variant>(), job.bind::<Variant>());
        let k = p.k_blocks as usize * 32;
        let w = dequantized(b.weights, job.variant::<Variant>().format, p.planes, p.n_rows as usize * k);
        let (batch, out) = (b.batch.all(), b.out.all_floats_mut());
        for r in 0..job.grid[1] as usize {
            let row = index(&batch[4 * r..], p.by).wrapping_sub(p.first_row) as usize;
            if row < p.n_rows as usize {
                for i in 0..k {
                    let there = if p.by != 0 { out[r * k + i] } else { 0.0 };
                    out[r * k + i] = there + p.scale * w[row * k + i];
                }
            }
        }
    }
}

/// Which row of an embedding a row of the batch wants: that of its token, position or token type.
fn index(row: &[u32], by: u32) -> u32 {
    match by {
        0 => row[0] & cell::TOKEN,
        1 => row[1],
        _ => row[0] >> cell::TOKEN.count_ones(),
    }
}
