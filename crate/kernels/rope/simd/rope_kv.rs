//! `shaders/rope/rope_kv.wgsl` on the CPU: a piece is a row.

use std::ops::Range;

use super::head::{Rotation, store};
use crate::kernels::cell::cell;
use crate::kernels::cpu::Job;
use crate::kernels::cpu::Kernel;
use crate::kernels::cpu::Scratch;
use crate::kernels::cpu::sized;
use crate::kernels::params::RopeKv;

pub static KERNEL: Kernel = Kernel { pieces: |job| job.params::<RopeKv>().rows as usize, run };

/// read: batch, q_norm, k_norm, rope table; write: qkv, k_cache, v_cache.
fn run(job: &Job, pieces: Range<usize>, scratch: &mut Scratch) {
    let p: RopeKv = job.params();
    let half = !job.variant.ends_with(".f32");
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim as usize);
    let rotation =
        Rotation { table: bytemuck::cast_slice(job.all(3)), half: p.rope_half as usize, neox: p.neox != 0, eps: p.eps };
    let norm = |binding| (p.has_norm != 0).then(|| job.floats(binding, 0..dim));
    let (q_norm, k_norm) = (norm(1), norm(2));
    let Scratch { angles, x, .. } = scratch;
    for r in pieces {
        let row = job.all(0).as_chunks::<4>().0[r];
        let position = row[1];
        let angles = rotation.angles(position as usize, angles);
        let from = r * (heads + 2 * kv_heads) * dim;
        for q in job.floats_mut(4, from..from + heads * dim).chunks_exact_mut(dim) {
            rotation.rotate(q, q_norm, &angles);
            q.iter_mut().for_each(|v| *v *= p.attn_scale);
        }
        let (k, v) = job.floats(4, from + heads * dim..from + (heads + 2 * kv_heads) * dim).split_at(kv_heads * dim);
        // A cell's heads follow each other, as they do in the row.
        let words = kv_heads * dim / if half { 2 } else { 1 };
        let cell = cell(row, position) as usize;
        let rotated = sized(x, k.len());
        rotated.copy_from_slice(k);
        rotated.chunks_exact_mut(dim).for_each(|k| rotation.rotate(k, k_norm, &angles));
        store(job.words_mut(5, cell * words..(cell + 1) * words), rotated, half);
        store(job.words_mut(6, cell * words..(cell + 1) * words), v, half);
    }
}
