//! Mamba's state space: z and x of the stream, the convolution of x, what that makes of steps, b and c, and what a sequence's
//! state makes of them all.

use super::conv::Part;
use super::mamba2::BESIDE;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{gated_norm, parts_norm, selective_scan};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::Mamba;

pub struct Weights {
    /// z and x: [2 * inner][n_embd], all filled up
    input: MatrixId,
    /// [inner][taps], with zeros behind it
    taps: BufferId,
    /// [inner], filled up
    conv_bias: BufferId,
    /// What steps are made of, b and c: [rank + 2 * state][inner], both filled up
    parts: MatrixId,
    /// [rank + 2 * state]
    norms: Option<BufferId>,
    /// Steps: [inner][rank + 2 * state], both filled up: b and c count for nothing
    steps: MatrixId,
    /// [inner], filled up
    step_bias: BufferId,
    /// a: [inner][state], then d: [inner], both filled up
    channels: BufferId,
    /// [n_embd][inner], both filled up
    pub output: MatrixId,
}

impl Weights {
    pub fn place(spec: &Mamba, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (inner, parts) = (Filled::up(spec.inner), Filled::up(spec.parts()));
        let n = inner.length;
        let each = |count: u32| Filled { length: count * n, room: count * inner.room };
        let a_and_d = [("ssm_a", [spec.state, n]), ("ssm_d", [n, 1])];
        let norms = ["ssm_dt_norm.weight", "ssm_b_norm.weight", "ssm_c_norm.weight"];
        let norms: Vec<_> = norms.into_iter().zip([spec.rank, spec.state, spec.state]).collect();
        Ok(Weights {
            input: t.halves_turned(stream, "ssm_in.weight", inner)?,
            taps: t.floats_in(&[("ssm_conv1d.weight", [spec.taps, n])], &[each(spec.taps)], 1.0)?,
            conv_bias: t.vectors_in(&[("ssm_conv1d.bias", n)], inner, 1.0)?,
            parts: t.stack(inner, &[("ssm_x.weight", parts.length)], Some(parts))?,
            norms: match spec.norm {
                None => None,
                Some(_) if spec.norm_weights => Some(t.vectors(&norms, 1.0)?),
                Some(_) => Some(t.constant("ones", Filled::whole(parts.length), 1.0)?),
            },
            steps: t.stack(Filled { length: spec.rank, room: parts.room }, &[("ssm_dt.weight", n)], Some(inner))?,
            step_bias: t.vectors_in(&[("ssm_dt.bias", n)], inner, 1.0)?,
            channels: t.floats_in(&a_and_d, &[each(spec.state), inner], 1.0)?,
            output: t.stack(inner, &[("ssm_out.weight", stream.length)], Some(stream))?,
        })
    }
}

impl Pass<'_> {
    /// y · silu(z): [rows][inner], filled up
    pub(super) fn mamba(&mut self, index: usize, spec: &Mamba, w: &Weights, input: &Input) -> Result<Act> {
        let rows = self.shape.rows;
        let inner = Filled::up(spec.inner).room;
        let projected = self.project(w.input, input, Fused::default())?;
        let part = Part {
            first: inner,
            count: inner,
            taps: spec.taps,
            kept: spec.kept(),
            weight: w.taps,
            bias: Some(w.conv_bias),
        };
        let convolved = self.convolve(index, &part, &projected)?;
        let (x, convolved) = (convolved.id, Input::Normed(convolved));
        let parts = self.project(w.parts, &convolved, Fused::default())?;
        if let (Some(eps), Some(weight)) = (spec.norm, w.norms) {
            let params = parts_norm::Params { first: spec.rank, other: spec.state, stride: parts.width, eps };
            let variant = parts_norm::Variant { reduce: self.at.choice.rmsnorm().reduce };
            self.recording.push(variant, params, parts_norm::Bind { weight, x: parts.id }, [3, rows])?;
        }
        let (bc, stride, parts) = (parts.id, parts.width, Input::Normed(parts));
        let steps = self.project(w.steps, &parts, Fused { bias: Some(w.step_bias), ..Fused::default() })?;
        let y = self.acts.take(rows, inner)?;
        let params = selective_scan::Params {
            rows,
            channels: inner,
            n4: spec.state / 4,
            stride,
            first: spec.rank,
            state4: spec.kept() / 4,
            first4: spec.held() / 4,
            beside: rows.min(BESIDE),
        };
        let bind = selective_scan::Bind {
            from_to: self.at.ends.from_to,
            x,
            dt: steps.id,
            bc,
            channels: w.channels,
            states: self.at.kv.states.of(index)?,
            out: y.id,
        };
        let grid = [inner.div_ceil(selective_scan::THREADS / params.n4), params.beside];
        self.recording.push(selective_scan::Variant {}, params, bind, grid)?;
        self.acts.free(steps);
        self.release(parts);
        self.release(convolved);
        let out = self.acts.take(rows, inner)?;
        let n4 = inner / 4;
        let params =
            gated_norm::Params { g4: n4, groups: 1, stride4: projected.width / 4, out4: n4, has_norm: 0, eps: 0.0 };
        let variant = gated_norm::Variant { reduce: self.at.choice.rmsnorm().reduce };
        let bind = gated_norm::Bind { y: y.id, z: projected.id, weight: self.at.ends.none, out: out.id };
        self.recording.push(variant, params, bind, [1, rows])?;
        self.acts.free(projected);
        self.acts.free(y);
        Ok(out)
    }
}
