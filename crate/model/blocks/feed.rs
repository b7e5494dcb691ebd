//! What works on each token by itself: the feed-forward network, with a gate or without, or a mixture of them.

use super::beside::Beside;
use super::experts::Experts;
use super::norm::Norms;
use super::pass::{Input, Pass};
use super::product::{Fused, Gate};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::choices::Op;
use crate::kernels::table::map;
use crate::model::adapter::Spot;
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::{self, Activation, GateIn};

pub enum Weights {
    Dense(Dense),
    Experts(Box<Experts>),
    Beside(Box<Beside>),
    None,
}

impl Weights {
    pub fn place(spec: &spec::Feed, norms: &Norms, t: &mut Tensors) -> Result<Self> {
        let stream = norms.stream;
        Ok(match spec {
            spec::Feed::Dense(dense) => Weights::Dense(Dense::place(dense, stream, "", t)?),
            spec::Feed::Experts(experts) => Weights::Experts(Box::new(Experts::place(experts, stream, t)?)),
            spec::Feed::Beside(dense, experts) => Weights::Beside(Box::new(Beside::place(dense, experts, norms, t)?)),
            spec::Feed::None => Weights::None,
        })
    }
}

/// One network.
pub struct Dense {
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

impl Dense {
    /// Its tensors' names have this behind their kind.
    pub fn place(spec: &spec::Dense, stream: Filled, suffix: &str, t: &mut Tensors) -> Result<Self> {
        let n_ff = spec.n_ff;
        let [gate, up, down] = ["gate", "up", "down"].map(|kind| format!("ffn_{kind}{suffix}"));
        let tensors = match spec.gate {
            GateIn::Own => vec![(gate, n_ff), (up, n_ff)],
            GateIn::Up | GateIn::BehindUp => vec![(up, 2 * n_ff)],
            GateIn::Nowhere => vec![(up, n_ff)],
        };
        let named = |part: &str| -> Vec<(String, u32)> {
            tensors.iter().map(|(name, n)| (format!("{name}.{part}"), *n)).collect()
        };
        let (matrices, biases, inner) = (named("weight"), named("bias"), Filled::up(n_ff));
        let down_bias = format!("{down}.bias");
        Ok(Dense {
            n_ff: inner.room,
            up: t.stack(stream, &borrowed(&matrices), Some(inner))?,
            up_bias: spec.bias.then(|| t.vectors_in(&borrowed(&biases), inner, 1.0)).transpose()?,
            down: t.stack(inner, &[(&format!("{down}.weight"), stream.length)], Some(stream))?,
            down_bias: spec.down_bias.then(|| t.vectors_in(&[(&down_bias, stream.length)], stream, 1.0)).transpose()?,
        })
    }
}

/// Names and numbers, as they are declared.
pub fn borrowed(tensors: &[(String, u32)]) -> Vec<(&str, u32)> {
    tensors.iter().map(|(name, n)| (name.as_str(), *n)).collect()
}

/// What products of a feed-forward network's inner values go through: as they fuse it, and as a kernel of its own.
pub fn curve(activation: Activation) -> (Option<Gate>, Op, [f32; 4]) {
    match activation {
        Activation::Silu => (Some(Gate::Silu), Op::SiluGlu, [0.0; 4]),
        Activation::GeluTanh => (Some(Gate::Gelu), Op::GeluGlu, [0.0; 4]),
        Activation::GeluErf => (None, Op::GeluErfGlu, [0.0; 4]),
        Activation::ReluSquared => (None, Op::Relu2Glu, [0.0; 4]),
        Activation::Limited { slope, limit } => (None, Op::LimitedGlu, [slope, limit, 0.0, 0.0]),
        Activation::Xielu { positive, negative, beta, eps } => (None, Op::XieluGlu, [positive, negative, beta, eps]),
    }
}

/// What a feed-forward network has made of its input, before its last product.
pub enum Fed {
    Dense(Act),
    Experts(super::experts::Fed),
    Beside((Act, super::experts::Fed)),
}

impl Pass<'_> {
    /// All but the last product of either.
    pub(super) fn feed(&mut self, spec: &spec::Feed, w: &Weights, input: &Input) -> Result<Fed> {
        Ok(match (spec, w) {
            (spec::Feed::Dense(spec), Weights::Dense(w)) => Fed::Dense(self.dense(spec, w, input)?),
            (spec::Feed::Experts(spec), Weights::Experts(w)) => Fed::Experts(self.experts(spec, w, [input; 2])?),
            (spec::Feed::Beside(dense, experts), Weights::Beside(w)) => {
                Fed::Beside(self.beside((dense, experts), w, input)?)
            }
            _ => bail!(Internal, "The weights of a feed-forward network are of another kind."),
        })
    }

    /// The last product, added to the stream, or its norm.
    pub(super) fn add_fed(&mut self, w: &Weights, fed: Fed, post_norm: Option<BufferId>) -> Result<()> {
        match (w, fed) {
            (Weights::Dense(w), Fed::Dense(inner)) => self.add(w.down, w.down_bias, inner, post_norm),
            (Weights::Experts(w), Fed::Experts(fed)) => self.add_experts(w, fed, post_norm),
            (Weights::Beside(w), Fed::Beside(fed)) => self.add_beside(w, fed, post_norm),
            _ => bail!(Internal, "The weights of a feed-forward network are of another kind."),
        }
    }

    /// act(W_gate x) * W_up x, or act(W_up x): [rows][n_ff]
    pub(super) fn dense(&mut self, spec: &spec::Dense, w: &Dense, input: &Input) -> Result<Act> {
        let (gate, ..) = curve(spec.activation);
        // Products that make the gate's results by themselves read it first.
        let gated = !matches!(spec.gate, GateIn::Nowhere | GateIn::BehindUp);
        let changed = w.up_bias.is_some() || self.is_adapted(Spot::Matrix(w.up));
        let whole = self.at.weights[w.up].parts.len() == 1 && !changed;
        if self.shape.is_fused() && gated && whole && gate.is_some() {
            return self.project(w.up, input, Fused { gate, ..Fused::default() });
        }
        let up = self.project(w.up, input, Fused { bias: w.up_bias, ..Fused::default() })?;
        self.activate(spec, up, self.shape.rows, w.n_ff)
    }

    /// act(gate) * up, or act(up), of so many rows: [rows][n_ff]
    pub(super) fn activate(&mut self, spec: &spec::Dense, up: Act, rows: u32, n_ff: u32) -> Result<Act> {
        let (_, op, curve) = curve(spec.activation);
        let out = self.acts.take(rows, n_ff)?;
        let gated = match spec.gate {
            GateIn::Nowhere => 0,
            GateIn::Own | GateIn::Up => 1,
            GateIn::BehindUp => 2,
        };
        let params = map::Params { curve, n4: n_ff / 4, gated };
        let grid = [params.n4.div_ceil(map::THREADS), rows];
        self.recording.push(map::Variant { op }, params, map::Bind { x: up.id, out: out.id }, grid)?;
        self.acts.free(up);
        Ok(out)
    }
}
