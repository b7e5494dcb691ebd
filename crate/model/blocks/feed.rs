//! The gated feed-forward network.

use super::pass::{Input, Pass};
use super::product::{Fused, Gate};
use crate::base::error::Result;
use crate::kernels::table::choices::Op;
use crate::kernels::table::map;
use crate::model::arena::Act;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{Activation, Dense};

pub struct Weights {
    /// Gate and up stacked: [2 * n_ff][n_embd]
    gate_up: MatrixId,
    /// [n_embd][n_ff]
    pub down: MatrixId,
}

impl Weights {
    pub fn place(spec: &Dense, n_embd: u32, t: &mut Tensors) -> Result<Self> {
        Ok(Weights {
            gate_up: t.stack(n_embd, &[("ffn_gate.weight", spec.n_ff), ("ffn_up.weight", spec.n_ff)])?,
            down: t.matrix("ffn_down.weight", spec.n_ff, n_embd)?,
        })
    }
}

impl Pass<'_> {
    /// act(W_gate x) * W_up x: [rows][n_ff]
    pub(super) fn feed(&mut self, spec: &Dense, w: &Weights, input: &Input) -> Result<Act> {
        let (gate, op) = match spec.activation {
            Activation::Silu => (Gate::Silu, Op::SiluGlu),
            Activation::GeluTanh => (Gate::Gelu, Op::GeluGlu),
        };
        if self.shape.is_fused() && self.at.weights[w.gate_up].parts.len() == 1 {
            return self.project(w.gate_up, input, Fused { gate: Some(gate), ..Fused::default() });
        }
        let both = self.project(w.gate_up, input, Fused::default())?;
        let out = self.acts.take(self.shape.rows, spec.n_ff)?;
        let n4 = spec.n_ff / 4;
        let (bind, grid) = (map::Bind { x: both.id, out: out.id }, [n4.div_ceil(map::THREADS), self.shape.rows]);
        self.recording.push(map::Variant { op }, map::Params { n4 }, bind, grid)?;
        self.acts.free(both);
        Ok(out)
    }
}
