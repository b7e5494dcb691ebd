//! `shaders/rope/rope_latent.wgsl` on the CPU.

use super::{Rotation, store};
use crate::kernels::cell::{cell, row};
use crate::kernels::job::Job;
use crate::kernels::norm::rms_scale;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::rope_latent::Variant;

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (heads, rank, half) = (p.n_heads as usize, p.rank as usize, p.rope_half as usize);
        let (q_head, width) = (p.q_head as usize, rank + 2 * half);
        let row = row(b.batch.all(), r);
        let rotation = Rotation::<L>::at(row[1] as usize, b.rope.all_floats(), half, p.neox != 0);
        let scale = L::Number::of(p.attn_scale);
        for head in r * heads..(r + 1) * heads {
            let to = b.queries.floats_mut(head * width + rank..(head + 1) * width);
            to.copy_from_slice(b.q.floats((head + 1) * q_head - 2 * half..(head + 1) * q_head));
            rotation.head(to, None);
            to.iter_mut().for_each(|v| *v = (L::Number::of(*v) * scale).to_f32());
        }
        let (latents, key) = b.latents.floats(r * width..(r + 1) * width).split_at(rank);
        let scale = rms_scale::<L>(latents, p.eps);
        let weighted = |(v, w): (&f32, &f32)| (L::Number::of(*v) * scale * L::Number::of(*w)).to_f32();
        let mut whole: Vec<f32> = latents.iter().zip(b.norm.floats(0..rank)).map(weighted).collect();
        whole.extend(key);
        rotation.head(&mut whole[rank..], None);
        store(b.k_cache, cell(b.batch.all(), row, row[1]) as usize, &whole, width, job.variant::<Self>().kv);
    }
}
