//! What becomes of heads before attention: norm, rotation, and their place in the cache. The shaders are in
//! `shaders/rope`.

pub mod blocks;
mod cache;
mod latent;
mod rotate;
mod shift;

use super::cell;
use super::job::Job;
use super::norm::rms_scale;
use super::rows::{Lanes, Number, Rows};
use super::table::choices::Kv;
use super::table::{rope_kv, rope_kv_rows};

pub use blocks::turn;
pub use cache::{load, store};
pub use rotate::{Rotation, head_norm, query_scale};

impl Rows for rope_kv::Variant {
    fn rows(job: &Job) -> usize {
        job.params::<Self>().rows as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        row::<L>(job, r, job.variant::<Self>().kv);
    }
}

impl Rows for rope_kv_rows::Variant {
    fn rows(job: &Job) -> usize {
        job.params::<Self>().rows as usize
    }

    fn row<L: Lanes>(job: &Job, r: usize) {
        row::<L>(job, r, job.variant::<Self>().kv);
    }
}

/// All heads of a row.
fn row<L: Lanes>(job: &Job, r: usize, kv: Kv) {
    let (p, b) = (job.params::<rope_kv::Variant>(), job.bind::<rope_kv::Variant>());
    let (heads, kv_heads, dim) = (p.n_heads as usize, p.n_kv_heads as usize, p.head_dim as usize);
    let words = cell::row_of(cell::row(b.batch.all(), r), p.tables);
    let position = words[1];
    let rotation = Rotation::<L>::at(position as usize, b.rope.all_floats(), p.rope_half as usize, p.neox != 0);
    let [q_norm, k_norm] = [b.q_norm, b.k_norm].map(|weight| head_norm(weight, p.has_norm, dim, p.eps));
    let start = r * p.row_heads as usize * dim;
    // Keys and values in the row itself stay as they were.
    let scale = L::Number::of(query_scale(p.attn_scale, p.stretch, p.stretch_every, position));
    for q in b.qkv.floats_mut(start..start + heads * dim).chunks_exact_mut(dim) {
        rotation.head(q, q_norm);
        if kv.turned() {
            turn(q);
        }
        q.iter_mut().for_each(|v| *v = (L::Number::of(*v) * scale).to_f32());
    }
    // Values are the last heads, which may be the keys.
    let last = p.row_heads as usize - kv_heads;
    let [k, v] = [heads, last].map(|head| b.qkv.floats(start + head * dim..start + (head + kv_heads) * dim));
    let cell = cell::cell(b.batch.all(), words, position) as usize;
    let mut rotated = [0.0; MAX_HEAD_DIM];
    for (h, k) in k.chunks_exact(dim).enumerate() {
        let rotated = &mut rotated[..dim];
        rotated.copy_from_slice(k);
        rotation.head(rotated, k_norm);
        if kv.turned() {
            turn(rotated);
        }
        store(b.k_cache, cell * kv_heads + h, rotated, dim, kv);
    }
    if p.v_norm == 0 {
        store(b.v_cache, cell * kv_heads, v, dim, kv);
        return;
    }
    for (h, v) in v.chunks_exact(dim).enumerate() {
        let normed = &mut rotated[..dim];
        let scale = rms_scale::<L>(v, p.eps);
        normed.iter_mut().zip(v).for_each(|(to, v)| *to = (L::Number::of(*v) * scale).to_f32());
        store(b.v_cache, cell * kv_heads + h, normed, dim, kv);
    }
}

/// The longest head that kernels take.
pub const MAX_HEAD_DIM: usize = 512;
