//! A feed-forward network and a mixture of experts side by side, each behind a norm of its own and with one behind it.

use super::experts::{self, Experts};
use super::feed::Dense;
use super::norm::{How, Norm, Norms};
use super::pass::{Due, Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::model::arena::Act;
use crate::model::place::Tensors;
use crate::model::spec;

pub struct Beside {
    pub dense: Dense,
    pub experts: Experts,
    /// What the router reads the stream through, and what the experts do: [n_embd]
    before: [Norm; 2],
    /// Behind the network, and behind the experts: [n_embd]
    behind: [Norm; 2],
}

impl Beside {
    pub fn place(dense: &spec::Dense, experts: &spec::Experts, norms: &Norms, t: &mut Tensors) -> Result<Self> {
        let mut norm = |name, scale| Ok(Norm { weight: norms.place_rms(name, scale, t)?, bias: None });
        // Before the router itself, whose scale it would be by its name.
        let scale = (norms.stream.length as f32).sqrt().recip();
        let before = [norm("ffn_gate_inp.scale", scale)?, norm("pre_ffw_norm_2", 1.0)?];
        let behind = [norm("post_ffw_norm_1", 1.0)?, norm("post_ffw_norm_2", 1.0)?];
        let dense = Dense::place(dense, norms.stream, "", t)?;
        Ok(Beside { dense, experts: Experts::place(experts, norms.stream, t)?, before, behind })
    }
}

impl Pass<'_> {
    /// All but the last products of both; the network reads `input`.
    pub(super) fn beside(
        &mut self,
        (dense, experts): (&spec::Dense, &spec::Experts),
        w: &Beside,
        input: &Input,
    ) -> Result<(Act, experts::Fed)> {
        let inner = self.dense(dense, &w.dense, input)?;
        let [router, each] = [self.read_stream(Some(w.before[0]))?, self.read_stream(Some(w.before[1]))?];
        let fed = self.experts(experts, &w.experts, [&router, &each])?;
        self.release(router);
        self.release(each);
        Ok((inner, fed))
    }

    /// x += the norms of both, or the norm of their sum.
    pub(super) fn add_beside(
        &mut self,
        w: &Beside,
        (inner, fed): (Act, experts::Fed),
        post_norm: Option<BufferId>,
    ) -> Result<()> {
        self.settle()?;
        let (rows, room) = (self.shape.rows, self.at.net.stream().room);
        let sum = post_norm.map(|_| self.acts.take(rows, room)).transpose()?;
        let out = sum.as_ref().map_or(self.stream.at.id, |sum| sum.id);
        let input = Input::Normed(inner);
        let y = self.project(w.dense.down, &input, Fused { bias: w.dense.down_bias, ..Fused::default() })?;
        self.release(input);
        self.norm(y.id, w.behind[0], out, How { add: sum.is_none(), ..How::default() }, rows)?;
        self.sum_experts(&w.experts, fed, (y.id, false))?;
        self.norm(y.id, w.behind[1], out, How { add: true, ..How::default() }, rows)?;
        self.acts.free(y);
        let Some((sum, weight)) = sum.zip(post_norm) else { return Ok(()) };
        self.leave_due(Due { sum, weight })
    }
}
