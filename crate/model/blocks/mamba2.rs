//! Mamba-2's state space: z, x, b, c and dt of the stream, the convolution of x, b and c, and what a sequence's state makes of
//! them.

use super::conv::Part;
use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{gated_norm, scan, scan_out, scan_ready, scan_states};
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Counts, Mamba2};

/// Sequences that workgroups beside each other go through at a time.
pub const BESIDE: u32 = 8;

pub struct Weights {
    /// z, x, b, c and dt: [2 inner + 2 groups * state + heads][n_embd], both filled up
    input: MatrixId,
    /// [inner + 2 groups * state][taps]
    taps: BufferId,
    /// [inner + 2 groups * state]
    conv_bias: Option<BufferId>,
    /// Of each head what is added to dt, a, and d: [3][heads]
    heads: BufferId,
    /// [inner]
    norm: Option<BufferId>,
    /// [n_embd][inner], both filled up
    pub output: MatrixId,
}

impl Weights {
    pub fn place(spec: &Mamba2, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let (Counts { inner, convolved, .. }, heads) = (spec.counts(), spec.heads);
        let rows = Filled::up(inner + convolved + heads);
        let norm = ("ssm_norm.weight", [inner / spec.groups, spec.groups]);
        Ok(Weights {
            input: t.stack(stream, &[("ssm_in.weight", rows.length)], Some(rows))?,
            taps: t.floats(&[("ssm_conv1d.weight", [spec.taps, convolved])], 1.0)?,
            conv_bias: spec.conv_bias.then(|| t.vector("ssm_conv1d.bias", convolved)).transpose()?,
            heads: t.floats(&[("ssm_dt.bias", [heads, 1]), ("ssm_a", [1, heads]), ("ssm_d", [1, heads])], 1.0)?,
            norm: spec.norm.is_some().then(|| t.floats(&[norm], 1.0)).transpose()?,
            output: t.stack(Filled::up(inner), &[("ssm_out.weight", stream.length)], Some(stream))?,
        })
    }
}

impl Pass<'_> {
    /// norm(y · silu(z)): [rows][inner], filled up
    pub(super) fn mamba2(&mut self, index: usize, spec: &Mamba2, w: &Weights, input: &Input) -> Result<Act> {
        let counts = spec.counts();
        let projected = self.project(w.input, input, Fused::default())?;
        // x, b and c: [rows][inner + 2 groups * state]
        let part = Part {
            first: counts.inner,
            count: counts.convolved,
            taps: spec.taps,
            kept: counts.kept,
            weight: w.taps,
            bias: w.conv_bias,
        };
        let convolved = self.convolve(index, &part, &projected)?;
        // Fewer rows than a workgroup takes gain nothing.
        let in_blocks = self.at.choice.blocks && self.shape.prefill && self.shape.rows >= scan_out::TILE;
        let y = match in_blocks {
            true => self.scan_blocks(index, spec, w, [&projected, &convolved])?,
            false => self.scan(index, spec, w, [&projected, &convolved])?,
        };
        self.acts.free(convolved);
        let out = self.acts.take(self.shape.rows, Filled::up(counts.inner).room)?;
        let params = gated_norm::Params {
            g4: y.width / spec.groups / 4,
            groups: spec.groups,
            stride4: projected.width / 4,
            out4: out.width / 4,
            has_norm: u32::from(spec.norm.is_some()),
            eps: spec.norm.unwrap_or_default(),
        };
        let weight = w.norm.unwrap_or(self.at.ends.none);
        let variant = gated_norm::Variant { reduce: self.at.choice.rmsnorm().reduce };
        let bind = gated_norm::Bind { y: y.id, z: projected.id, weight, out: out.id };
        self.recording.push(variant, params, bind, [spec.groups, self.shape.rows])?;
        self.acts.free(projected);
        self.acts.free(y);
        Ok(out)
    }

    /// y of each head: [rows][inner]
    fn scan(&mut self, index: usize, spec: &Mamba2, w: &Weights, [projected, convolved]: [&Act; 2]) -> Result<Act> {
        let (rows, n4, counts) = (self.shape.rows, spec.state / 4, spec.counts());
        let out = self.acts.take(rows, counts.inner)?;
        let params = scan::Params {
            rows,
            heads: spec.heads,
            p4: spec.head_dim / 4,
            n4,
            per_group: spec.heads / spec.groups,
            stride4: convolved.width / 4,
            dt_stride: projected.width,
            first_dt: counts.inner + counts.convolved,
            state4: counts.kept / 4,
            first4: counts.held / 4,
            beside: rows.min(BESIDE),
        };
        let bind = scan::Bind {
            from_to: self.at.ends.from_to,
            xbc: convolved.id,
            dt: projected.id,
            heads: w.heads,
            states: self.at.kv.states.of(index)?,
            out: out.id,
        };
        let grid = [(out.width / 4).div_ceil(scan::THREADS / n4), params.beside];
        self.recording.push(scan::Variant {}, params, bind, grid)?;
        Ok(out)
    }

    /// The same, block by block of the rows.
    fn scan_blocks(
        &mut self,
        index: usize,
        spec: &Mamba2,
        w: &Weights,
        [projected, convolved]: [&Act; 2],
    ) -> Result<Act> {
        let (rows, counts) = (self.shape.rows, spec.counts());
        let (heads, groups, p4, n4) = (spec.heads, spec.groups, spec.head_dim / 4, spec.state / 4);
        let (stride4, state4, first4) = (convolved.width / 4, counts.kept / 4, counts.held / 4);
        let (from_to, states) = (self.at.ends.from_to, self.at.kv.states.of(index)?);
        let out = self.acts.take(rows, counts.inner)?;
        let steps = self.acts.take(rows, 2 * heads)?;
        let pairs = self.acts.take(rows, groups * scan_ready::BLOCK)?;
        let kept = self.acts.take(rows.div_ceil(scan_ready::BLOCK), counts.inner * spec.state)?;
        let params = scan_ready::Params {
            heads,
            groups,
            p4,
            n4,
            stride4,
            dt_stride: projected.width,
            first_dt: counts.inner + counts.convolved,
        };
        let bind =
            scan_ready::Bind { xbc: convolved.id, dt: projected.id, heads: w.heads, steps: steps.id, pairs: pairs.id };
        let grid = [(heads + groups * scan_ready::BLOCK).div_ceil(scan_ready::THREADS), rows];
        self.recording.push(scan_ready::Variant {}, params, bind, grid)?;

        let beside = rows.min(BESIDE);
        let params = scan_states::Params { rows, heads, groups, p4, n4, stride4, state4, first4, beside };
        let bind = scan_states::Bind { from_to, xbc: convolved.id, steps: steps.id, states, kept: kept.id };
        let fours = groups * (heads * p4 / groups).div_ceil(scan_states::THREADS);
        self.recording.push(
            scan_states::Variant {},
            params,
            bind,
            [fours * n4.div_ceil(scan_states::FOURS), beside],
        )?;

        let params = scan_out::Params { rows, heads, groups, p4, n4, stride4, state4, first4 };
        let bind = scan_out::Bind {
            from_to,
            xbc: convolved.id,
            steps: steps.id,
            pairs: pairs.id,
            heads: w.heads,
            states,
            kept: kept.id,
            out: out.id,
        };
        self.recording.push(scan_out::Variant {}, params, bind, [fours, rows.div_ceil(scan_out::TILE)])?;
        self.acts.free(steps);
        self.acts.free(pairs);
        self.acts.free(kept);
        Ok(out)
    }
}
