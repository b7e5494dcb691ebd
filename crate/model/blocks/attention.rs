//! Attention: Q, K and V of the stream, rotated, K and V kept in the cache, and what the queries make of them.

use super::latent;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::choose::{Attend, AttendOne, Choice, Heads, Split};
use crate::kernels::table::choices::{Gate, Merge, Op};
use crate::kernels::table::{
    attention, attention_combine, attention_wide, decode_attention, fill_up, gate_by, map, qk_norm, rope_kv,
};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Attention, Pairs, QkNorm};

/// A norm of all queries and all keys, or of each head by weights of its own.
struct QkNorms {
    /// Parts of the queries and of the keys that are normed by themselves.
    parts: [u32; 2],
    /// [(n_heads + n_kv_heads) * head_dim], and as many biases behind it, if there are any.
    weight: BufferId,
    /// As the kernel has it: 1, a layer norm; 2, one with biases.
    layer: u32,
}

pub struct Weights {
    inputs: Inputs,
    /// [(n_heads + 2 n_kv_heads) * head_dim]
    bias: Option<BufferId>,
    /// Of queries and of keys, head by head: [head_dim]
    head_norms: Option<[BufferId; 2]>,
    /// Of queries and keys before they are rotated.
    norm: Option<QkNorms>,
    /// [n_heads]
    sinks: Option<BufferId>,
    /// [n_embd][n_heads * head_dim], both filled up
    pub output: MatrixId,
    /// [n_embd]
    pub output_bias: Option<BufferId>,
}

/// What makes queries, keys and values.
enum Inputs {
    /// Q, K and V stacked: [(n_heads + 2 n_kv_heads) * head_dim][n_embd], or Q and K, or Q alone
    Stacked(MatrixId),
    /// The same, and the gates of what is found: [n_heads * head_dim][n_embd]
    Gated([MatrixId; 2]),
    Latent(Box<latent::Weights>),
}

impl Weights {
    pub fn place(spec: &Attention, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (q, kv, head) = (spec.q_dim(), spec.kv_dim(), spec.head_dim);
        let shares = spec.keys_of.is_some();
        let inputs = match &spec.latent {
            Some(latent) => Inputs::Latent(Box::new(latent::Weights::place(spec, latent, stream, t)?)),
            None if spec.gated && spec.gate_apart => {
                let qkv = Self::stack(spec, stream, t)?;
                Inputs::Gated([qkv, t.matrix("attn_gate.weight", stream, q)?])
            }
            None if spec.gated => {
                let behind = [("attn_k.weight", kv), ("attn_v.weight", kv)];
                Inputs::Gated(t.in_turns(stream, ("attn_q.weight", q), head, &behind)?)
            }
            None => Inputs::Stacked(Self::stack(spec, stream, t)?),
        };
        let bias = match (spec.bias, t.has("attn_qkv.bias")) {
            (false, _) => None,
            (true, true) => Some(t.vector("attn_qkv.bias", q + 2 * kv)?),
            (true, false) => Some(t.vectors(&[("attn_q.bias", q), ("attn_k.bias", kv), ("attn_v.bias", kv)], 1.0)?),
        };
        let head_norms = match spec.qk_norm {
            QkNorm::Heads | QkNorm::Rotated if shares => Some([t.vector("attn_q_norm.weight", head)?; 2]),
            QkNorm::Heads | QkNorm::Rotated => {
                Some([t.vector("attn_q_norm.weight", head)?, t.vector("attn_k_norm.weight", head)?])
            }
            QkNorm::None | QkNorm::Whole | QkNorm::Each | QkNorm::WholeLayer => None,
        };
        let out = spec.latent.map_or(q, |latent| spec.n_heads * latent.value);
        Ok(Weights {
            inputs,
            bias,
            head_norms,
            norm: QkNorms::place(spec, t)?,
            sinks: spec.sinks.then(|| t.vector("attn_sinks.weight", spec.n_heads)).transpose()?,
            output: t.stack(Filled::up(out), &[("attn_output.weight", stream.length)], Some(stream))?,
            output_bias: spec
                .output_bias
                .then(|| t.vectors_in(&[("attn_output.bias", stream.length)], stream, 1.0))
                .transpose()?,
        })
    }

    /// Q, K and V; without V where values are keys; Q alone where both are another block's.
    fn stack(spec: &Attention, stream: Filled, t: &mut Tensors) -> Result<MatrixId> {
        let (q, kv, shares) = (spec.q_dim(), spec.kv_dim(), spec.keys_of.is_some());
        // Some files have the three in one. Those of other layers take the place of what a file may have nevertheless.
        if shares {
            ["attn_k.weight", "attn_v.weight", "attn_k_norm.weight"].iter().for_each(|name| t.ignore(name));
        }
        match t.has("attn_qkv.weight") {
            _ if shares => t.matrix("attn_q.weight", stream, q),
            true => t.matrix("attn_qkv.weight", stream, q + 2 * kv),
            false => {
                let all = [("attn_q.weight", q), ("attn_k.weight", kv), ("attn_v.weight", kv)];
                t.stack(stream, &all[..if spec.values_are_keys { 2 } else { 3 }], None)
            }
        }
    }
}

impl QkNorms {
    fn place(spec: &Attention, t: &mut Tensors) -> Result<Option<Self>> {
        let (parts, layer) = match spec.qk_norm {
            QkNorm::Whole => ([1; 2], 0),
            QkNorm::WholeLayer => ([1; 2], 2),
            QkNorm::Each => ([spec.n_heads, spec.n_kv_heads], 1),
            QkNorm::None | QkNorm::Heads | QkNorm::Rotated => return Ok(None),
        };
        let shapes = [[spec.q_dim() / parts[0], parts[0]], [spec.kv_dim() / parts[1], parts[1]]];
        let [q, k] = shapes;
        let named =
            [("attn_q_norm.weight", q), ("attn_k_norm.weight", k), ("attn_q_norm.bias", q), ("attn_k_norm.bias", k)];
        let weight = t.floats(&named[..if layer == 2 { 4 } else { 2 }], 1.0)?;
        Ok(Some(QkNorms { parts, weight, layer }))
    }
}

impl Pass<'_> {
    /// attention( rope(norm?(W_qkv x + b)) ): [rows][n_heads * head_dim], filled up
    pub(super) fn attention(&mut self, index: usize, spec: &Attention, w: &Weights, input: &Input) -> Result<Act> {
        let (qkv, gate) = match (&w.inputs, &spec.latent) {
            (Inputs::Stacked(qkv), _) => (*qkv, None),
            (Inputs::Gated([qkv, gate]), _) => (*qkv, Some(*gate)),
            (Inputs::Latent(w), Some(latent)) => {
                let out = self.latent(index, (spec, latent), w, input)?;
                return self.filled_up(out);
            }
            _ => bail!(Internal, "The weights of attention are of another kind."),
        };
        let mut qkv = self.project(qkv, input, Fused { bias: w.bias, ..Fused::default() })?;
        let gate = gate.map(|gate| self.project(gate, input, Fused::default())).transpose()?;
        if let Some(most) = spec.clamp {
            let out = self.acts.take(self.shape.rows, qkv.width)?;
            let params = map::Params { curve: [most, 0.0, 0.0, 0.0], n4: qkv.width / 4, gated: 0 };
            let grid = [params.n4.div_ceil(map::THREADS), self.shape.rows];
            self.recording.push(map::Variant { op: Op::Clamp }, params, map::Bind { x: qkv.id, out: out.id }, grid)?;
            self.acts.free(std::mem::replace(&mut qkv, out));
        }
        if let Some(norm) = &w.norm {
            let [q_parts, k_parts] = norm.parts;
            let params = qk_norm::Params {
                q4: spec.q_dim() / 4,
                k4: spec.kv_dim() / 4,
                q_parts,
                k_parts,
                eps: self.at.net.norm_eps,
                layer: norm.layer,
            };
            let bind = qk_norm::Bind { weight: norm.weight, x: qkv.id };
            let variant = qk_norm::Variant { reduce: self.at.choice.rmsnorm().reduce };
            self.recording.push(variant, params, bind, [q_parts + k_parts, self.shape.rows])?;
        }
        let out = if self.shape.rows == 1 && self.shape.is_fused() && spec.fits_one() {
            self.attend_one(index, spec, w, &qkv)?
        } else {
            let out = self.acts.take(self.shape.rows, spec.q_dim())?;
            self.attend_many(index, spec, w, &qkv, &out)?;
            out
        };
        self.acts.free(qkv);
        let out = match gate {
            Some(gate) => self.gated(gate, out)?,
            None => out,
        };
        self.filled_up(out)
    }

    /// sigmoid(gate) · x
    fn gated(&mut self, gate: Act, x: Act) -> Result<Act> {
        let out = self.acts.take(self.shape.rows, x.width)?;
        let n4 = x.width / 4;
        let params = gate_by::Params { n4, stride4: n4, first4: 0 };
        let bind = gate_by::Bind { x: gate.id, y: x.id, out: out.id };
        let variant = gate_by::Variant { gate: Gate::SigmoidGlu };
        self.recording.push(variant, params, bind, [n4.div_ceil(gate_by::THREADS), self.shape.rows])?;
        self.acts.free(gate);
        self.acts.free(x);
        Ok(out)
    }

    /// Activations with zeros behind each row, where products read more.
    fn filled_up(&mut self, x: Act) -> Result<Act> {
        let Filled { length, room } = Filled::up(x.width);
        if length == room {
            return Ok(x);
        }
        let out = self.acts.take(self.shape.rows, room)?;
        let params = fill_up::Params { length4: length / 4, room4: room / 4 };
        let grid = [params.room4.div_ceil(fill_up::THREADS), self.shape.rows];
        self.recording.push(fill_up::Variant {}, params, fill_up::Bind { x: x.id, out: out.id }, grid)?;
        self.acts.free(x);
        Ok(out)
    }

    /// One row by itself: everything in a dispatch, or two where the context is long.
    fn attend_one(&mut self, index: usize, spec: &Attention, w: &Weights, qkv: &Act) -> Result<Act> {
        let (ends, first) = (self.at.ends, self.recording.dispatches.len());
        let (k_cache, v_cache) = self.at.kv.layers[index];
        // What lies outside a window counts for nothing.
        let before = spec.mask.window().map_or(self.shape.before, |w| self.shape.before.min(w - 1));
        let heads = Heads { n_heads: spec.n_heads, n_kv_heads: spec.n_kv_heads, head_dim: spec.head_dim };
        let AttendOne { variant, groups, parts: splits } =
            self.at.choice.decode_attention(heads, before, self.at.tuning);
        let out = match variant.merge {
            Merge::Apart => self.acts.take(1, spec.q_dim())?,
            Merge::Inside => Act::fixed(ends.merged.buffer, spec.q_dim()),
        };
        let parts = match variant.merge {
            Merge::Apart if splits > 1 => Some(self.acts.take(spec.n_heads * splits, spec.head_dim + 4)?),
            _ => None,
        };
        let [q_norm, k_norm] = w.head_norms.unwrap_or([ends.none; 2]);
        let (stretch, stretch_every) = spec.stretch.unwrap_or((0.0, 1));
        let result = parts.as_ref().unwrap_or(&out).id;
        self.recording.push(
            variant,
            decode_attention::Params {
                n_heads: spec.n_heads,
                n_kv_heads: spec.n_kv_heads,
                head_dim4: spec.head_dim / 4,
                rope_half: spec.rope.dim / 2,
                neox: neox(spec),
                has_norm: has_norm(spec),
                eps: self.at.net.norm_eps,
                attn_scale: spec.scale,
                stretch,
                stretch_every,
                window: spec.mask.window().unwrap_or(0),
                groups,
                softcap: spec.softcap.unwrap_or(0.0),
                alibi: spec.alibi.unwrap_or(0.0),
                splits,
                tables: self.at.kv.tables_of(index),
                results: ends.merged.results,
            },
            decode_attention::Bind {
                batch: ends.batch,
                qkv: qkv.id,
                q_norm,
                k_norm,
                rope: self.at.ropes.by_layer[index],
                k_cache,
                v_cache,
                out: result,
            },
            [spec.n_kv_heads * groups, splits],
        )?;
        if let Some(parts) = parts {
            let params = attention_combine::Params { dim4: spec.head_dim / 4, splits };
            let bind = attention_combine::Bind { parts: parts.id, out: out.id };
            self.recording.push(attention_combine::Variant {}, params, bind, [spec.n_heads, 1])?;
            self.acts.free(parts);
        }
        if splits > 1 {
            self.splits.push((Split { heads, parts: splits }, first..self.recording.dispatches.len()));
        }
        Ok(out)
    }

    /// Rows that may see each other: all keys and values are written before any is read.
    fn attend_many(&mut self, index: usize, spec: &Attention, w: &Weights, qkv: &Act, out: &Act) -> Result<()> {
        let (ends, shape) = (self.at.ends, self.shape);
        let of = spec.keys_of.map_or(index, |of| of as usize);
        let ((k_cache, v_cache), tables) = (self.at.kv.layers[of], self.at.kv.tables_of(of));
        let [q_norm, k_norm] = w.head_norms.unwrap_or([ends.none; 2]);
        let (stretch, stretch_every) = spec.stretch.unwrap_or((0.0, 1));
        let heads = Heads { n_heads: spec.n_heads, n_kv_heads: spec.n_kv_heads, head_dim: spec.head_dim };
        // What is rotated and stored: nothing is, where the keys are another layer's.
        let own = Heads { n_kv_heads: spec.keys_of.map_or(spec.n_kv_heads, |_| 0), ..heads };
        let (variant, grid) = self.at.choice.rope_kv(own, spec.rope.dim / 2, shape.rows, shape.prefill);
        self.recording.push(
            variant,
            rope_kv::Params {
                n_heads: own.n_heads,
                n_kv_heads: own.n_kv_heads,
                head_dim: spec.head_dim,
                rope_half: spec.rope.dim / 2,
                neox: neox(spec),
                has_norm: has_norm(spec),
                v_norm: spec.v_norm as u32,
                eps: self.at.net.norm_eps,
                attn_scale: spec.scale,
                stretch,
                stretch_every,
                rows: shape.rows,
                row_heads: qkv.width / spec.head_dim,
                tables,
            },
            rope_kv::Bind {
                batch: ends.batch,
                q_norm,
                k_norm,
                rope: self.at.ropes.by_layer[index],
                qkv: qkv.id,
                k_cache,
                v_cache,
            },
            grid,
        )?;
        if spec.is_wide() {
            return self.attend_wide(of, spec, w, qkv, out);
        }
        let Attend { variant, groups, grid } = self.at.choice.attention(heads, shape.rows, shape.prefill);
        self.recording.push(
            variant,
            attention::Params {
                n_heads: spec.n_heads,
                n_kv_heads: spec.n_kv_heads,
                head_dim4: spec.head_dim / 4,
                q_stride4: qkv.width / 4,
                window: spec.mask.window().unwrap_or(0),
                groups,
                softcap: spec.softcap.unwrap_or(0.0),
                alibi: spec.alibi.unwrap_or(0.0),
                rows: shape.rows,
                ahead: spec.mask.ahead(shape.prefill),
                tables,
            },
            attention::Bind { batch: ends.batch, qkv: qkv.id, k_cache, v_cache, out: out.id },
            grid,
        )
    }

    /// Attention of heads that the other kernels have no room for, or that have sinks, to the cells of layer `of`.
    fn attend_wide(&mut self, of: usize, spec: &Attention, w: &Weights, qkv: &Act, out: &Act) -> Result<()> {
        let ((k_cache, v_cache), tables) = (self.at.kv.layers[of], self.at.kv.tables_of(of));
        let dim4 = spec.head_dim / 4;
        let Choice { reduce, kv, .. } = *self.at.choice;
        self.recording.push(
            attention_wide::Variant { reduce, kv },
            attention_wide::Params {
                n_heads: spec.n_heads,
                n_kv_heads: spec.n_kv_heads,
                k_dim4: dim4,
                v_dim4: dim4,
                v_stride4: dim4,
                q_stride4: qkv.width / 4,
                window: spec.mask.window().unwrap_or(0),
                softcap: spec.softcap.unwrap_or(0.0),
                alibi: spec.alibi.unwrap_or(0.0),
                ahead: spec.mask.ahead(self.shape.prefill),
                has_sinks: w.sinks.is_some() as u32,
                tables,
            },
            attention_wide::Bind {
                batch: self.at.ends.batch,
                q: qkv.id,
                sinks: w.sinks.unwrap_or(self.at.ends.none),
                k_cache,
                v_cache,
                out: out.id,
            },
            [spec.n_heads, self.shape.rows],
        )
    }
}

fn has_norm(spec: &Attention) -> u32 {
    match spec.qk_norm {
        QkNorm::None | QkNorm::Whole | QkNorm::Each | QkNorm::WholeLayer => 0,
        QkNorm::Heads => 1,
        QkNorm::Rotated => 2,
    }
}

pub fn neox(spec: &Attention) -> u32 {
    (spec.rope.pairs == Pairs::Halves) as u32
}
