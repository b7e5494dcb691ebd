//! Latent attention (DeepSeek-V2, DeepSeek-AI 2024). A cell keeps a token's latents, and the rotated part that the keys
//! of all heads share. What makes keys of latents goes into the queries, what makes values comes behind attention, so
//! all heads' attention is to one key head, whose values are the beginnings of its keys.

use super::attention;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::choose::Choice;
use crate::kernels::table::{attention_wide, by_head, rmsnorm, rope_latent};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Attention, Latent};

pub struct Weights {
    /// [heads * key][n_embd], or [q_rank][n_embd]
    q: MatrixId,
    /// A norm, [q_rank], and [heads * key][q_rank].
    q_up: Option<(BufferId, MatrixId)>,
    /// [rank + rotated][n_embd]
    latents: MatrixId,
    /// [rank]
    norm: BufferId,
    keys: ByHead,
    values: ByHead,
}

/// Rows of a matrix that each head has.
#[derive(Clone, Copy)]
struct ByHead {
    matrix: MatrixId,
    each: u32,
    first: u32,
    count: u32,
    turned: bool,
}

impl Weights {
    /// `AdapterTooSmall` where what makes keys or values does not fit one buffer, and as tensors are missing.
    pub fn place(spec: &Attention, latent: &Latent, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (heads, rotated) = (spec.n_heads, spec.rope.dim);
        let &Latent { rank, own, value, .. } = latent;
        let q_dim = heads * (own + rotated);
        let (q, q_up) = match latent.q_rank {
            None => (t.matrix("attn_q.weight", stream, q_dim)?, None),
            Some(q_rank) => {
                let norm = t.vector("attn_q_a_norm.weight", q_rank)?;
                let up = t.matrix("attn_q_b.weight", Filled::whole(q_rank), q_dim)?;
                (t.matrix("attn_q_a.weight", stream, q_rank)?, Some((norm, up)))
            }
        };
        let (keys, values) = match latent.apart {
            true => {
                let keys = t.by_head("attn_k_b.weight", own, rank, heads)?;
                let values = t.by_head("attn_v_b.weight", rank, value, heads)?;
                let whole = |matrix, each| ByHead { matrix, each, first: 0, count: each, turned: false };
                (whole(keys, rank), whole(values, value))
            }
            false => {
                let matrix = t.matrix("attn_kv_b.weight", Filled::whole(rank), heads * (own + value))?;
                t.check_whole(matrix)?;
                let keys = ByHead { matrix, each: own + value, first: 0, count: own, turned: true };
                (keys, ByHead { first: own, count: value, turned: false, ..keys })
            }
        };
        Ok(Weights {
            q,
            q_up,
            latents: t.matrix("attn_kv_a_mqa.weight", stream, rank + rotated)?,
            norm: t.vector("attn_kv_a_norm.weight", rank)?,
            keys,
            values,
        })
    }
}

/// Rows of numbers by heads: where they are, the length of a row, from one head's to the next's.
struct Heads<'a> {
    at: &'a Act,
    each: u32,
}

impl Pass<'_> {
    /// What all heads' values add up to: [rows][heads * value]
    pub(super) fn latent(
        &mut self,
        index: usize,
        (spec, latent): (&Attention, &Latent),
        w: &Weights,
        input: &Input,
    ) -> Result<Act> {
        let (rows, heads, width) = (self.shape.rows, spec.n_heads, latent.rank + spec.rope.dim);
        let mut q = self.project(w.q, input, Fused::default())?;
        if let Some((norm, up)) = w.q_up {
            let normed = self.acts.take(rows, q.width)?;
            let params = rmsnorm::Params { k4: q.width / 4, eps: latent.eps, gather: 0, accumulate: 0 };
            let bind = rmsnorm::Bind { x: q.id, weight: norm, rows: self.at.ends.outputs, out: normed.id };
            self.recording.push(self.at.choice.rmsnorm(), params, bind, [1, rows])?;
            self.acts.free(q);
            let normed = Input::Normed(normed);
            q = self.project(up, &normed, Fused::default())?;
            self.release(normed);
        }
        let latents = self.project(w.latents, input, Fused::default())?;
        let queries = self.acts.take(rows, heads * width)?;
        let of_heads = Heads { at: &q, each: latent.own + spec.rope.dim };
        self.by_head(heads, w.keys, of_heads, Heads { at: &queries, each: width }, spec.scale)?;
        let Choice { reduce, kv, .. } = *self.at.choice;
        let (keys, _) = self.at.kv.layers[index];
        self.recording.push(
            rope_latent::Variant { reduce, kv },
            rope_latent::Params {
                n_heads: heads,
                q_head: latent.own + spec.rope.dim,
                rank: latent.rank,
                rope_half: spec.rope.dim / 2,
                neox: attention::neox(spec),
                eps: latent.eps,
                attn_scale: spec.scale,
            },
            rope_latent::Bind {
                batch: self.at.ends.batch,
                q: q.id,
                latents: latents.id,
                norm: w.norm,
                rope: self.at.ropes.by_layer[index],
                queries: queries.id,
                k_cache: keys,
            },
            [heads + 1, rows],
        )?;
        self.acts.free(q);
        self.acts.free(latents);
        let attended = self.acts.take(rows, heads * latent.rank)?;
        let params = attention_wide::Params {
            n_heads: heads,
            n_kv_heads: 1,
            k_dim4: width / 4,
            v_dim4: latent.rank / 4,
            v_stride4: width / 4,
            q_stride4: heads * width / 4,
            ahead: spec.mask.ahead(self.shape.prefill),
            ..Default::default()
        };
        let bind = attention_wide::Bind {
            batch: self.at.ends.batch,
            q: queries.id,
            sinks: self.at.ends.none,
            k_cache: keys,
            v_cache: keys,
            out: attended.id,
        };
        self.recording.push(attention_wide::Variant { reduce, kv }, params, bind, [heads, rows])?;
        self.acts.free(queries);
        let out = self.acts.take(rows, heads * latent.value)?;
        let of_heads = Heads { at: &attended, each: latent.rank };
        self.by_head(heads, w.values, of_heads, Heads { at: &out, each: latent.value }, 1.0)?;
        self.acts.free(attended);
        Ok(out)
    }

    /// Each head's product with its own rows of a matrix.
    fn by_head(&mut self, heads: u32, of: ByHead, x: Heads, out: Heads, scale: f32) -> Result<()> {
        let matrix = &self.at.weights[of.matrix];
        let part = &matrix.parts[0];
        let params = by_head::Params {
            planes: part.planes,
            k_blocks: matrix.k / 32,
            each: of.each,
            first: of.first,
            count: of.count,
            n_heads: heads,
            x_stride4: x.at.width / 4,
            x_head4: x.each / 4,
            out_stride: out.at.width,
            out_head: out.each,
            scale: scale * self.at.weights.scale(part),
        };
        let wide = if of.turned { params.k_blocks } else { of.count };
        let bind = by_head::Bind { weights: part.buffer, x: x.at.id, out: out.at.id };
        let variant = by_head::Variant { format: part.kind, turned: of.turned };
        self.recording.push(variant, params, bind, [wide.div_ceil(by_head::THREADS), heads * self.shape.rows])
    }
}
