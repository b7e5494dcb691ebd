//! A forward pass while it is recorded: the residual stream, and what other activations there are.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Embeddings;
use super::merged::Merged;
use super::norm::{How, Norm};
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::recording::Recording;
use crate::kernels::choose::{Choice, Product, Split, Tuning};
use crate::kernels::table::embed;
use crate::model::adapter::{Adapters, Spot};
use crate::model::arena::{Act, Acts, Needs};
use crate::model::place::{MatrixId, Weights};
use crate::model::rope;
use crate::model::spec::Net;
use crate::model::store::Store;

/// Rows from which on the matrix-matrix product is the faster one.
const MATMUL_ROWS: u32 = 5;

/// What a recording depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows of the batch.
    pub rows: u32,
    /// Rows that want logits.
    pub outputs: u32,
    /// Rows of a prompt: see [`Batch::prefill`](crate::run::batch::Batch::prefill).
    pub prefill: bool,
    /// Tokens before a row of its own, as far as they decide how its attention is cut; 0 of all other rows.
    pub before: u32,
}

impl Shape {
    /// For a batch of these rows, the last of which is at `position`.
    pub fn new(rows: u32, outputs: u32, prefill: bool, position: u32) -> Self {
        Shape { rows, outputs, prefill, before: if rows == 1 && !prefill { position } else { 0 } }
    }

    /// For one token after others.
    pub fn decode(position: u32) -> Self {
        Shape::new(1, 1, false, position)
    }

    /// The largest of every kind: passes of a kind take the same activations in the same order.
    pub fn largest(max_rows: u32, max_outputs: u32) -> impl Iterator<Item = Shape> {
        let few = max_rows.min(MATMUL_ROWS - 1);
        // Fused or not; a row of its own or more; its attention whole or cut; one row that wants logits, or more.
        let shapes = [(max_rows, true, 0), (few, false, 0), (1, false, 0), (1, false, u32::MAX)];
        shapes.into_iter().flat_map(move |(rows, prefill, before)| {
            let most = rows.min(max_outputs);
            let outputs = (1..=most).step_by(most.saturating_sub(1).max(1) as usize);
            outputs.map(move |outputs| Shape { rows, outputs, prefill, before })
        })
    }

    /// Whether so many rows are too few for matrix-matrix products to pay.
    pub fn are_few(rows: usize) -> bool {
        rows < MATMUL_ROWS as usize
    }

    /// Whether a layer's steps are fused, as they are where the products are matrix-vector ones.
    pub(super) fn is_fused(self) -> bool {
        !self.prefill && Shape::are_few(self.rows as usize)
    }
}

/// Buffers at the ends of a pass, which others write and read.
pub struct Ends {
    /// The words of each row, and tables of their sequences' cells: see [`cell`](crate::kernels::cell).
    pub batch: BufferId,
    /// Which states each row reads and writes: see [`FromTo`](crate::kernels::recurrent::FromTo).
    pub from_to: BufferId,
    /// Which rows want logits; not read where all do.
    pub outputs: BufferId,
    /// [outputs][n_vocab]
    pub logits: BufferId,
    /// Bound where a kernel has a buffer that the model does not need.
    pub none: BufferId,
    /// Where a token's attention is put together in its own dispatch.
    pub merged: Merged,
}

/// Which dispatches compute which cut attention.
pub type Splits = Vec<(Split, Range<usize>)>;

/// The places of all that a pass needs, and which kernels it takes.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    pub net: &'a Net,
    pub weights: &'a Weights,
    pub kv: &'a Store,
    pub ropes: &'a rope::Tables,
    pub ends: &'a Ends,
    pub adapters: &'a Adapters,
    pub choice: &'a Choice,
    pub tuning: &'a Tuning,
}

/// A recording being written for one batch shape.
pub struct Pass<'a> {
    pub(super) at: Places<'a>,
    pub(super) shape: Shape,
    pub(super) stream: Stream,
    /// What lets each layer's own embeddings in: [rows][layers * width].
    pub(super) own: Option<Own>,
    pub(super) acts: Acts<'a>,
    pub(super) recording: Recording,
    pub(super) products: Vec<(Product, usize)>,
    pub(super) splits: Splits,
    /// Spots that adapters changed so far.
    pub(super) adapted: BTreeSet<Spot>,
    /// Those so far whose experts stay in the file.
    pub(super) mixtures: Vec<Mixture>,
}

/// Products by experts that are brought to memory once they are chosen.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Its number among [`Weights::kept`].
    pub kept: usize,
    /// What needs them, and may be run again with others.
    pub dispatches: Range<usize>,
    /// [pairs] (expert, weight), until they are brought; then (slot, weight).
    pub choices: BufferId,
    /// Experts of all rows together.
    pub pairs: u32,
}

/// A pass, recorded.
pub struct Recorded {
    pub recording: Recording,
    /// Which products its dispatches (by index) compute, or make activations ready for.
    pub products: Vec<(Product, usize)>,
    /// Which dispatches compute which cut attention.
    pub splits: Splits,
    /// Spots that adapters change.
    pub adapted: BTreeSet<Spot>,
    /// Those whose experts stay in the file.
    pub mixtures: Vec<Mixture>,
    /// Of activations.
    pub needs: Needs,
}

/// The residual stream.
pub(super) struct Stream {
    /// Where it is: [rows][n_embd], filled up.
    pub at: Act,
    /// What is still to be added to it.
    pub due: Option<Due>,
}

/// A projection whose norm is still to be added to the stream.
pub(super) struct Due {
    /// [rows][n_embd]
    pub sum: Act,
    /// The norm's.
    pub weight: BufferId,
}

/// Layers' own embeddings: where they are, and the activations that they are, unless they have a place of their own.
pub(super) struct Own {
    pub at: BufferId,
    pub act: Option<Act>,
}

/// What products multiply.
pub(super) enum Input {
    /// The stream as it is, or an RMS norm of it, which each product makes by itself.
    Stream { norm: Option<BufferId> },
    /// The stream, normed.
    Normed(Act),
}

impl<'a> Pass<'a> {
    /// Begins with x = embed_scale * embedding[token] (+ positions[position]) (+ types[type]), normed if there is a norm.
    pub fn begin(at: Places<'a>, shape: Shape, mut acts: Acts<'a>, from: &Embeddings) -> Result<Self> {
        let x = acts.take(shape.rows, at.net.stream().room)?;
        let x_id = x.id;
        let mut pass = Pass::new(at, shape, x, acts);
        pass.embed(from.tokens, at.net.embed_scale, 0, x_id)?;
        for (matrix, by) in [(from.positions, 1), (from.types, 2)] {
            if let Some(matrix) = matrix {
                pass.embed(matrix, 1.0, by, x_id)?;
            }
        }
        pass.adapt_embedding()?;
        if let Some(norm) = from.norm {
            pass.norm_stream(norm)?;
        }
        if let Some(tables) = &from.layers {
            pass.embed_layers(tables)?;
        }
        Ok(pass)
    }

    /// With nothing recorded yet; the stream is at `x`.
    pub(super) fn new(at: Places<'a>, shape: Shape, x: Act, acts: Acts<'a>) -> Self {
        let (recording, products, adapted) = (Recording::default(), Vec::new(), BTreeSet::new());
        Pass {
            at,
            shape,
            stream: Stream { at: x, due: None },
            own: None,
            acts,
            recording,
            products,
            splits: Vec::new(),
            adapted,
            mixtures: Vec::new(),
        }
    }

    pub(super) fn embed(&mut self, embedding: MatrixId, scale: f32, by: u32, out: BufferId) -> Result<()> {
        let k_blocks = self.at.weights[embedding].k / 32;
        for part in &self.at.weights[embedding].parts {
            self.recording.push(
                embed::Variant { format: part.kind },
                embed::Params {
                    planes: part.planes,
                    k_blocks,
                    first_row: part.first_row,
                    n_rows: part.n_rows,
                    scale,
                    by,
                },
                embed::Bind { weights: part.buffer, batch: self.at.ends.batch, out },
                [k_blocks.div_ceil(embed::THREADS), self.shape.rows],
            )?;
        }
        Ok(())
    }

    /// x = norm(x)
    pub(super) fn norm_stream(&mut self, norm: Norm) -> Result<()> {
        let normed = self.acts.take(self.shape.rows, self.at.net.stream().room)?;
        self.norm(self.stream.at.id, norm, normed.id, How::default(), self.shape.rows)?;
        let before = std::mem::replace(&mut self.stream.at, normed);
        self.acts.free(before);
        Ok(())
    }

    /// The stream for some products, by this norm if there is one: in fused passes they make RMS norms themselves, unless
    /// adapters want to read it too.
    pub(super) fn read_stream(&mut self, norm: Option<Norm>) -> Result<Input> {
        let fused = self.shape.is_fused() && self.at.adapters.is_empty();
        match norm {
            Some(Norm { weight, bias: None }) if fused => Ok(Input::Stream { norm: Some(weight) }),
            Some(norm) => {
                self.settle()?;
                let rows = self.shape.rows;
                let normed = self.acts.take(rows, self.at.net.stream().room)?;
                self.norm(self.stream.at.id, norm, normed.id, How::default(), rows)?;
                Ok(Input::Normed(normed))
            }
            None => {
                if !fused {
                    self.settle()?;
                }
                Ok(Input::Stream { norm: None })
            }
        }
    }

    /// All products of an input are recorded.
    pub(super) fn release(&mut self, input: Input) {
        if let Input::Normed(act) = input {
            self.acts.free(act);
        }
    }

    /// Adds what is due to the stream, if there is anything.
    pub(super) fn settle(&mut self) -> Result<()> {
        let Some(Due { sum, weight }) = self.stream.due.take() else { return Ok(()) };
        let norm = Norm { weight, bias: None };
        self.norm(sum.id, norm, self.stream.at.id, How { add: true, ..How::default() }, self.shape.rows)?;
        self.acts.free(sum);
        Ok(())
    }

    /// What was recorded.
    pub fn finish(mut self) -> Result<Recorded> {
        let Stream { at, due } = self.stream;
        let own = self.own.take().and_then(|own| own.act);
        due.into_iter().map(|due| due.sum).chain([at]).chain(own).for_each(|act| self.acts.free(act));
        let Pass { recording, products, splits, adapted, mixtures, acts, .. } = self;
        Ok(Recorded { recording, products, splits, adapted, mixtures, needs: acts.needs()? })
    }
}
