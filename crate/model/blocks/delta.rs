//! A gated delta net: q, k, v, z, betas and alphas of the stream, the convolution of q, k and v, and what a sequence's state makes
//! of them.

use super::conv::Part;
use super::mamba2::BESIDE;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{delta, delta_blocks, delta_ready, gated_norm};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Counts, Delta};

/// Numbers of v that a workgroup has.
const COLUMNS: u32 = 16;

pub struct Weights {
    /// z, q, k and v: [2 inner + 2 keys * head_dim][n_embd]
    input: MatrixId,
    /// Betas and alphas: [2 heads][n_embd]
    decays: MatrixId,
    /// [inner + 2 keys * head_dim][taps]
    taps: BufferId,
    /// Of each head what is added to alpha, and a: [2][heads]
    heads: BufferId,
    /// [head_dim]
    norm: BufferId,
    /// [n_embd][inner], both filled up
    pub output: MatrixId,
}

impl Weights {
    pub fn place(spec: &Delta, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (Counts { inner, convolved, .. }, heads) = (spec.counts(), spec.heads);
        let decays = match spec.grouped {
            true => vec![("ssm_ba.weight", 2 * heads)],
            false => vec![("ssm_beta.weight", heads), ("ssm_alpha.weight", heads)],
        };
        Ok(Weights {
            input: t.stack(stream, &[("attn_gate.weight", inner), ("attn_qkv.weight", convolved)], None)?,
            decays: t.stack(stream, &decays, None)?,
            taps: t.floats(&[("ssm_conv1d.weight", [spec.taps, convolved])], 1.0)?,
            heads: t.vectors(&[("ssm_dt.bias", heads), ("ssm_a", heads)], 1.0)?,
            norm: t.vector("ssm_norm.weight", spec.head_dim)?,
            output: t.stack(Filled::up(inner), &[("ssm_out.weight", stream.length)], Some(stream))?,
        })
    }
}

impl Pass<'_> {
    /// norm(y) · silu(z): [rows][inner], filled up
    pub(super) fn delta(&mut self, index: usize, spec: &Delta, w: &Weights, input: &Input) -> Result<Act> {
        let counts = spec.counts();
        let projected = self.project(w.input, input, Fused::default())?;
        let decays = self.project(w.decays, input, Fused::default())?;
        // q, k and v: [rows][2 keys * head_dim + inner]
        let part = Part {
            first: counts.inner,
            count: counts.convolved,
            taps: spec.taps,
            kept: counts.kept,
            weight: w.taps,
            bias: None,
        };
        let convolved = self.convolve(index, &part, &projected)?;
        // Fewer rows than a block gain nothing.
        let in_blocks = self.at.choice.blocks && self.shape.prefill && self.shape.rows >= delta_ready::BLOCK;
        let y = match in_blocks {
            true => self.walk_blocks(index, spec, w, [&convolved, &decays])?,
            false => self.walk(index, spec, w, [&convolved, &decays])?,
        };
        self.acts.free(convolved);
        self.acts.free(decays);
        let out = self.acts.take(self.shape.rows, Filled::up(counts.inner).room)?;
        let params = gated_norm::Params {
            g4: spec.head_dim / 4,
            groups: spec.heads,
            stride4: projected.width / 4,
            out4: out.width / 4,
            has_norm: 2,
            eps: spec.eps,
        };
        let variant = gated_norm::Variant { reduce: self.at.choice.rmsnorm().reduce };
        let bind = gated_norm::Bind { y: y.id, z: projected.id, weight: w.norm, out: out.id };
        self.recording.push(variant, params, bind, [spec.heads, self.shape.rows])?;
        self.acts.free(projected);
        self.acts.free(y);
        Ok(out)
    }

    /// y of each head: [rows][inner]
    fn walk(&mut self, index: usize, spec: &Delta, w: &Weights, [convolved, decays]: [&Act; 2]) -> Result<Act> {
        let (rows, counts) = (self.shape.rows, spec.counts());
        let out = self.acts.take(rows, counts.inner)?;
        let [per_key, per] = shared(spec);
        let params = delta::Params {
            rows,
            heads: spec.heads,
            n4: spec.head_dim / 4,
            keys: spec.keys,
            per_key,
            per,
            stride4: convolved.width / 4,
            decay_stride: decays.width,
            state4: counts.kept / 4,
            first4: counts.held / 4,
            beside: rows.min(BESIDE),
            eps: spec.eps,
        };
        let bind = delta::Bind {
            from_to: self.at.ends.from_to,
            qkv: convolved.id,
            decays: decays.id,
            heads: w.heads,
            states: self.at.kv.states.of(index)?,
            out: out.id,
        };
        let variant = delta::Variant { reduce: self.at.choice.rmsnorm().reduce };
        let grid = [spec.heads * spec.head_dim.div_ceil(COLUMNS), params.beside];
        self.recording.push(variant, params, bind, grid)?;
        Ok(out)
    }
    /// The same, block by block of the rows.
    fn walk_blocks(&mut self, index: usize, spec: &Delta, w: &Weights, [convolved, decays]: [&Act; 2]) -> Result<Act> {
        let (rows, counts, from_to) = (self.shape.rows, spec.counts(), self.at.ends.from_to);
        let (heads, keys, n4, stride4) = (spec.heads, spec.keys, spec.head_dim / 4, convolved.width / 4);
        let [per_key, per] = shared(spec);
        let out = self.acts.take(rows, counts.inner)?;
        let steps = self.acts.take(rows, 4 * heads)?;
        let pairs = self.acts.take(rows, 2 * heads * delta_ready::BLOCK)?;
        let decay_stride = decays.width;
        let params = delta_ready::Params { rows, heads, n4, keys, per_key, per, stride4, decay_stride, eps: spec.eps };
        let bind = delta_ready::Bind {
            from_to,
            qkv: convolved.id,
            decays: decays.id,
            heads: w.heads,
            steps: steps.id,
            pairs: pairs.id,
        };
        self.recording.push(delta_ready::Variant {}, params, bind, [heads, rows.div_ceil(delta_ready::BLOCK)])?;

        let (state4, first4, beside) = (counts.kept / 4, counts.held / 4, rows.min(BESIDE));
        let params = delta_blocks::Params { rows, heads, n4, keys, per_key, stride4, state4, first4, beside };
        let bind = delta_blocks::Bind {
            from_to,
            qkv: convolved.id,
            steps: steps.id,
            pairs: pairs.id,
            states: self.at.kv.states.of(index)?,
            out: out.id,
        };
        let grid = [heads * spec.head_dim.div_ceil(delta_blocks::THREADS), beside];
        self.recording.push(delta_blocks::Variant { x: self.at.choice.many.shares() }, params, bind, grid)?;
        self.acts.free(steps);
        self.acts.free(pairs);
        Ok(out)
    }
}

/// Heads beside each other that share a key, and heads of a piece of decays.
fn shared(spec: &Delta) -> [u32; 2] {
    let shared = spec.heads / spec.keys;
    if spec.grouped { [shared, shared] } else { [1, spec.heads] }
}
