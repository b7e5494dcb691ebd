//! A short convolution: b, c and x of the stream, and what the rows of a sequence, and its state, make of them.

use super::pass::{Input, Pass};
use super::product::Fused;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::conv;
use crate::model::arena::Act;
use crate::model::filled::Filled;
use crate::model::place::{MatrixId, Tensors};
use crate::model::spec::Conv;

pub struct Weights {
    /// b, c and x stacked: [3 * n_embd][n_embd], all filled up
    input: MatrixId,
    /// [n_embd][taps], with zeros behind it
    taps: BufferId,
    /// [n_embd][n_embd], both filled up
    pub output: MatrixId,
}

impl Weights {
    pub fn place(spec: Conv, stream: Filled, t: &mut Tensors) -> Result<Self> {
        let n = stream.length;
        let all = Filled { length: spec.taps * n, room: spec.taps * stream.room };
        Ok(Weights {
            input: t.stack(stream, &[("shortconv.in_proj.weight", 3 * n)], Some(stream))?,
            taps: t.floats_in(&[("shortconv.conv.weight", [spec.taps, n])], &[all], 1.0)?,
            output: t.stack(stream, &[("shortconv.out_proj.weight", n)], Some(stream))?,
        })
    }
}

/// What is convolved of a projection's numbers, and with what.
pub struct Part {
    /// The first of them.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Rows that one is made of.
    pub taps: u32,
    /// Numbers of a sequence's state, in which those of the convolution are the first.
    pub kept: u32,
    /// [count][taps]
    pub weight: BufferId,
    /// [count]
    pub bias: Option<BufferId>,
}

impl Pass<'_> {
    /// silu(conv(part) + bias): [rows][count]
    pub(super) fn convolve(&mut self, index: usize, part: &Part, projected: &Act) -> Result<Act> {
        let out = self.acts.take(self.shape.rows, part.count)?;
        let c4 = out.width / 4;
        let params = conv::Params {
            c4,
            stride4: projected.width / 4,
            first4: part.first / 4,
            taps: part.taps,
            state4: part.kept / 4,
            gates: 0,
            has_bias: u32::from(part.bias.is_some()),
            silu: 1,
        };
        let bind = conv::Bind {
            from_to: self.at.ends.from_to,
            x: projected.id,
            weight: part.weight,
            bias: part.bias.unwrap_or(self.at.ends.none),
            states: self.at.kv.states.of(index)?,
            out: out.id,
        };
        self.recording.push(conv::Variant {}, params, bind, [c4.div_ceil(conv::THREADS), self.shape.rows])?;
        Ok(out)
    }

    /// c · conv(b · x): [rows][n_embd], filled up
    pub(super) fn conv(&mut self, index: usize, spec: Conv, w: &Weights, input: &Input) -> Result<Act> {
        let bcx = self.project(w.input, input, Fused::default())?;
        let out = self.acts.take(self.shape.rows, bcx.width / 3)?;
        let c4 = out.width / 4;
        let none = self.at.ends.none;
        self.recording.push(
            conv::Variant {},
            conv::Params {
                c4,
                stride4: 3 * c4,
                first4: 2 * c4,
                taps: spec.taps,
                state4: (spec.taps - 1) * c4,
                gates: 1,
                has_bias: 0,
                silu: 0,
            },
            conv::Bind {
                from_to: self.at.ends.from_to,
                x: bcx.id,
                weight: w.taps,
                bias: none,
                states: self.at.kv.states.of(index)?,
                out: out.id,
            },
            [c4.div_ceil(conv::THREADS), self.shape.rows],
        )?;
        self.acts.free(bcx);
        Ok(out)
    }
}
