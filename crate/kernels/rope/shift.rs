//! `shaders/rope/rope_shift.wgsl` on the CPU.

use super::{Rotation, load, store, turn};
use crate::kernels::cell::cell;
use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::rope_shift::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b, kv) = (job.params::<Self>(), job.bind::<Self>(), job.variant::<Self>().kv);
        let (heads, dim, half) = (p.n_kv_heads as usize, 4 * p.head_dim4 as usize, p.rope_half as usize);
        let rotation = Rotation::<L>::by(b.angles.floats(0..2 * half), p.neox != 0);
        let rotated = p.begin as usize..p.begin as usize + 2 * half;
        let turned = kv.turned() && p.turned != 0;
        let cell = cell(b.batch.all(), [0, 0, p.table, 0], p.position + r as u32) as usize;
        for at in cell * heads..(cell + 1) * heads {
            let mut head = load(b.k_cache, at, dim, kv);
            if turned {
                turn(&mut head);
            }
            rotation.head(&mut head[rotated.clone()], None);
            if turned {
                turn(&mut head);
            }
            store(b.k_cache, at, &head, dim, kv);
        }
    }
}
