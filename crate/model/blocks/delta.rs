//! A gated delta net: q, k, v, z, betas and alphas of the stream, the convolution of q, k and v, and what a sequence's state makes
//! of them.

use super::conv::Part;
use super::mamba2::BESIDE;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{delta, gated_norm};
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
        let y = self.walk(index, spec, w, [&convolved, &decays])?;
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
        let shared = spec.heads / spec.keys;
        let (per_key, per) = if spec.grouped { (shared, shared) } else { (1, spec.heads) };
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
}
