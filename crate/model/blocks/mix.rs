//! What moves information between tokens, whichever kind it is.

use super::pass::{Input, Pass};
use super::{attention, conv, delta, mamba, mamba2};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::Mix;

/// Of one kind, or of the two that stand side by side.
pub struct Weights(Vec<Part>);

enum Part {
    Attention(attention::Weights),
    Conv(conv::Weights),
    Mamba(mamba::Weights),
    Mamba2(mamba2::Weights),
    Delta(delta::Weights),
}

impl Weights {
    pub fn place(spec: &Mix, stream: Filled, t: &mut Tensors) -> Result<Self> {
        Ok(Weights(match spec {
            Mix::Attention(spec) => vec![Part::Attention(attention::Weights::place(spec, stream, t)?)],
            Mix::Conv(spec) => vec![Part::Conv(conv::Weights::place(*spec, stream, t)?)],
            Mix::Mamba(spec) => vec![Part::Mamba(mamba::Weights::place(spec, stream, t)?)],
            Mix::Mamba2(spec) => vec![Part::Mamba2(mamba2::Weights::place(spec, stream, t)?)],
            Mix::Delta(spec) => vec![Part::Delta(delta::Weights::place(spec, stream, t)?)],
            Mix::Both(attention, mamba) => vec![
                Part::Attention(attention::Weights::place(attention, stream, t)?),
                Part::Mamba2(mamba2::Weights::place(mamba, stream, t)?),
            ],
            Mix::None => Vec::new(),
        }))
    }
}

/// What a mix has made of its input, before its last products: of each an activation, the projection that is added to the
/// stream, and its bias.
pub type Mixed = Vec<(Act, MatrixId, Option<BufferId>)>;

impl Pass<'_> {
    /// All but the last products.
    pub(super) fn mix(&mut self, index: usize, spec: &Mix, w: &Weights, input: &Input) -> Result<Mixed> {
        let each = w.0.iter().map(|part| {
            Ok(match (spec, part) {
                (Mix::Attention(spec) | Mix::Both(spec, _), Part::Attention(w)) => {
                    (self.attention(index, spec, w, input)?, w.output, w.output_bias)
                }
                (Mix::Conv(spec), Part::Conv(w)) => (self.conv(index, *spec, w, input)?, w.output, None),
                (Mix::Mamba(spec), Part::Mamba(w)) => (self.mamba(index, spec, w, input)?, w.output, None),
                (Mix::Mamba2(spec) | Mix::Both(_, spec), Part::Mamba2(w)) => {
                    (self.mamba2(index, spec, w, input)?, w.output, None)
                }
                (Mix::Delta(spec), Part::Delta(w)) => (self.delta(index, spec, w, input)?, w.output, None),
                _ => bail!(Internal, "The weights of a layer are of another kind."),
            })
        });
        each.collect()
    }

    /// Their last products, added to the stream, or the norm of one.
    pub(super) fn add_mixed(&mut self, mixed: Mixed, post_norm: Option<BufferId>) -> Result<()> {
        mixed.into_iter().try_for_each(|(act, output, bias)| self.add(output, bias, act, post_norm))
    }
}
