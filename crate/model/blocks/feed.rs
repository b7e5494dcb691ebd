//! The feed-forward network, with a gate or without.

use super::pass::{Input, Pass};
use super::product::{Fused, Gate};
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::choices::Op;
use crate::kernels::table::map;
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Activation, Dense, GateIn};

pub struct Weights {
    /// The inner width, filled up with zeros to what kernels read: they stay zeros.
    n_ff: u32,
    /// Gate and up stacked: [2 * n_ff][n_embd]; or up alone: [n_ff][n_embd].
    up: MatrixId,
    /// Of its rows.
    up_bias: Option<BufferId>,
    /// [n_embd][n_ff]
    pub down: MatrixId,
    /// [n_embd]
    pub down_bias: Option<BufferId>,
}

impl Weights {
    pub fn place(spec: &Dense, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let n_ff = spec.n_ff;
        let (matrices, biases): (&[_], &[_]) = match spec.gate {
            GateIn::Own => (
                &[("ffn_gate.weight", n_ff), ("ffn_up.weight", n_ff)],
                &[("ffn_gate.bias", n_ff), ("ffn_up.bias", n_ff)],
            ),
            GateIn::Up => (&[("ffn_up.weight", 2 * n_ff)], &[("ffn_up.bias", 2 * n_ff)]),
            GateIn::Nowhere => (&[("ffn_up.weight", n_ff)], &[("ffn_up.bias", n_ff)]),
        };
        let inner = Filled::up(n_ff);
        Ok(Weights {
            n_ff: inner.room,
            up: t.stack(stream, matrices, Some(inner))?,
            up_bias: spec.bias.then(|| t.vectors_in(biases, inner, 1.0)).transpose()?,
            down: t.stack(inner, &[("ffn_down.weight", stream.length)], Some(stream))?,
            down_bias: spec
                .down_bias
                .then(|| t.vectors_in(&[("ffn_down.bias", stream.length)], stream, 1.0))
                .transpose()?,
        })
    }
}

impl Pass<'_> {
    /// act(W_gate x) * W_up x, or act(W_up x): [rows][n_ff]
    pub(super) fn feed(&mut self, spec: &Dense, w: &Weights, input: &Input) -> Result<Act> {
        let (gate, op, curve) = match spec.activation {
            Activation::Silu => (Some(Gate::Silu), Op::SiluGlu, [0.0; 4]),
            Activation::GeluTanh => (Some(Gate::Gelu), Op::GeluGlu, [0.0; 4]),
            Activation::GeluErf => (None, Op::GeluErfGlu, [0.0; 4]),
            Activation::ReluSquared => (None, Op::Relu2Glu, [0.0; 4]),
            Activation::Xielu { positive, negative, beta, eps } => {
                (None, Op::XieluGlu, [positive, negative, beta, eps])
            }
        };
        let gated = spec.gate != GateIn::Nowhere;
        let whole = self.at.weights[w.up].parts.len() == 1 && w.up_bias.is_none();
        if self.shape.is_fused() && gated && whole && gate.is_some() {
            return self.project(w.up, input, Fused { gate, ..Fused::default() });
        }
        let up = self.project(w.up, input, Fused { bias: w.up_bias, ..Fused::default() })?;
        let out = self.acts.take(self.shape.rows, w.n_ff)?;
        let params = map::Params { curve, n4: w.n_ff / 4, gated: gated as u32 };
        let grid = [params.n4.div_ceil(map::THREADS), self.shape.rows];
        self.recording.push(map::Variant { op }, params, map::Bind { x: up.id, out: out.id }, grid)?;
        self.acts.free(up);
        Ok(out)
    }
}
