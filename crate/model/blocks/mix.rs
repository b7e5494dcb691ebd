//! What moves information between tokens, whichever kind it is.

use super::pass::{Input, Pass};
use super::{attention, conv};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::Mix;

pub enum Weights {
    Attention(attention::Weights),
    Conv(conv::Weights),
}

impl Weights {
    pub fn place(spec: &Mix, stream: Filled, t: &mut Tensors) -> Result<Self> {
        Ok(match spec {
            Mix::Attention(spec) => Weights::Attention(attention::Weights::place(spec, stream, t)?),
            Mix::Conv(spec) => Weights::Conv(conv::Weights::place(*spec, stream, t)?),
        })
    }

    /// The projection that is added to the stream, and its bias.
    pub fn output(&self) -> (MatrixId, Option<BufferId>) {
        match self {
            Weights::Attention(w) => (w.output, w.output_bias),
            Weights::Conv(w) => (w.output, None),
        }
    }
}

impl Pass<'_> {
    /// All but the last product of either.
    pub(super) fn mix(&mut self, index: usize, spec: &Mix, w: &Weights, input: &Input) -> Result<Act> {
        match (spec, w) {
            (Mix::Attention(spec), Weights::Attention(w)) => self.attention(index, spec, w, input),
            (Mix::Conv(spec), Weights::Conv(w)) => self.conv(index, *spec, w, input),
            _ => bail!(Internal, "The weights of a layer are of another kind."),
        }
    }
}
