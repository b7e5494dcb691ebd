//! `shaders/rope/rope_kv.wgsl` on the CPU: a piece is a row.

use std::ops::Range;

use super::head::{Turn, store};
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
    let turn =
        Turn { table: bytemuck::cast_slice(job.all(3)), half: p.rope_half as usize, neox: p.neox != 0, eps: p.eps };
    let norm = |binding| (p.has_norm != 0).then(|| job.floats(binding, 0..dim));
    let (q_norm, k_norm) = (norm(1), norm(2));
    let Scratch { angles, x, .. } = scratch;
    for r in pieces {
        let [_, position, first_cell, _] = job.all(0).as_chunks::<4>().0[r];
        let angles = turn.angles(position as usize, angles);
        let row = r * (heads + 2 * kv_heads) * dim;
        for q in job.floats_mut(4, row..row + heads * dim).chunks_exact_mut(dim) {
            turn.turn(q, q_norm, &angles);
            q.iter_mut().for_each(|v| *v *= p.attn_scale);
        }
        let (k, v) = job.floats(4, row + heads * dim..row + (heads + 2 * kv_heads) * dim).split_at(kv_heads * dim);
        // A cell's heads follow each other, as they do in the row.
        let words = kv_heads * dim / if half { 2 } else { 1 };
        let cell = (first_cell + position) as usize;
        let turned = sized(x, k.len());
        turned.copy_from_slice(k);
        turned.chunks_exact_mut(dim).for_each(|k| turn.turn(k, k_norm, &angles));
        store(job.words_mut(5, cell * words..(cell + 1) * words), turned, half);
        store(job.words_mut(6, cell * words..(cell + 1) * words), v, half);
    }
}
