//! A model laid out in memory, and its forward pass: embed, then the blocks, then logits. Activations are f32,
//! row-major, [rows of the batch][width].

use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::file::Catalog;
use crate::kernels::choose::{Choice, Product, Tuning};
use crate::model::arena::{Acts, Arena, Needs};
use crate::model::blocks::{Ends, Network, Pass, Places, Recorded};
use crate::model::head;
use crate::model::place::Weights;
use crate::model::rope;
use crate::model::spec::{Net, RopeFactors};
use crate::model::store::Store;
use crate::model::upload::Upload;

pub use crate::model::blocks::Shape;

/// Sizes chosen at load.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Positions of a sequence, at most.
    pub context: u32,
    /// Positions of all sequences together whose keys and values are kept; at least `context`.
    pub cells: u32,
    /// Rows of the largest batch.
    pub max_rows: u32,
    /// Rows that may want logits in one batch.
    pub max_outputs: u32,
}

/// A model laid out in memory: everything a recording refers to.
pub struct Model {
    /// The network.
    pub net: Net,
    /// What memory was reserved for.
    pub sizes: Sizes,
    /// Which kernels compute it.
    pub choice: Choice,
    /// What has been measured, which goes before `choice`.
    pub tuning: Tuning,
    /// The numbers of what is made of states on the CPU.
    head: Vec<f32>,
    network: Network,
    kv: Store,
    ropes: rope::Tables,
    ends: Ends,
    arena: Arena,
}

impl Model {
    /// Allocates weights, cache and activations; the bytes then come through the returned upload.
    ///
    /// Errors: those of [`read`](crate::model::read), and as `memory` fails.
    pub fn place(
        catalog: &Catalog,
        net: Net,
        sizes: Sizes,
        choice: Choice,
        memory: &mut dyn Memory,
    ) -> Result<(Self, Upload)> {
        let (network, placements) = Network::place(catalog, &net, memory)?;
        let widths = net.blocks.iter().map(|block| block.attention().kv_dim());
        let kv = Store::new(widths, choice.kv_type(), sizes.cells, memory)?;
        let ropes = rope::Tables::place(&net, sizes.context, memory)?;
        let (rows, outputs) = (u64::from(sizes.max_rows), u64::from(sizes.max_outputs));
        // One masked word's are as many as tokens.
        let words = if network.words.is_some() { u64::from(net.n_vocab) } else { 0 };
        let logits = outputs * u64::from(net.output_row().room);
        let ends = Ends {
            batch: memory.alloc("batch", rows * 16)?,
            outputs: memory.alloc("outputs", outputs * 4)?,
            logits: memory.alloc("logits", logits.max(words) * 4)?,
            none: memory.alloc("none", 16)?,
        };
        let (tuning, arena) = (Tuning::default(), Arena::default());
        let mut model = Model { net, sizes, choice, tuning, head: Vec::new(), network, kv, ropes, ends, arena };
        model.arena = Arena::place(&model.needs()?, memory)?;
        Ok((model, Upload::new(placements)))
    }

    /// What can only be done once the file has been read: the RoPE tables, the arrangement of the weights, and a head.
    pub fn finish(&mut self, upload: &Upload, memory: &mut dyn Memory) {
        for matrix in self.network.weights.matrices() {
            for part in &matrix.parts {
                memory.arrange(part.buffer, part.kind, part.planes, part.n_rows, matrix.k);
            }
        }
        self.network.weights.scales.clone_from(&upload.scales);
        let (factors, head) = upload.host.split_at(self.net.rope_factors.map_or(0, RopeFactors::count));
        self.head = head.to_vec();
        let factors = match self.net.rope_factors {
            Some(RopeFactors::Two { count, trained }) => {
                let (long, short) = factors.split_at(count as usize);
                if self.sizes.context > trained { long } else { short }
            }
            _ => factors,
        };
        self.ropes.write(factors, self.sizes.context, memory);
    }

    /// (token, position, first cell, cells of its sequence) of each row.
    pub fn batch_buffer(&self) -> BufferId {
        self.ends.batch
    }
    /// The rows that want logits, where not all do: else it is not read.
    pub fn outputs_buffer(&self) -> BufferId {
        self.ends.outputs
    }
    /// Keys and values per layer.
    pub fn kv_buffers(&self) -> &[(BufferId, BufferId)] {
        &self.kv.layers
    }
    /// [outputs][n_vocab]
    pub fn logits_buffer(&self) -> BufferId {
        self.ends.logits
    }

    /// The embedding that a pooled state, [n_embd], becomes.
    pub fn embedding(&self, state: &[f32]) -> Vec<f32> {
        head::embedding(&self.net, &self.head, state)
    }
    /// The scores that its classifier gives a pooled state: one a label.
    pub fn scores(&self, state: &[f32]) -> Vec<f32> {
        head::scores(&self.net, &self.head, state)
    }
    /// What a masked word's logits are made of: [n_embd], filled up, of its state.
    pub fn word(&self, state: &[f32]) -> Vec<f32> {
        let mut word = head::inner(&self.net, &self.head, state);
        word.resize(self.net.stream().room as usize, 0.0);
        word
    }

    /// Its weights, and where they lie.
    pub fn weights(&self) -> &Weights {
        &self.network.weights
    }

    /// Its keys and values, and the sequences that they are of.
    pub fn kv(&self) -> &Store {
        &self.kv
    }
    /// The same, to be changed.
    pub fn kv_mut(&mut self) -> &mut Store {
        &mut self.kv
    }

    /// The forward pass of a batch of this shape. It depends on nothing else, so it can be prepared once for a shape
    /// and replayed with other tokens and positions.
    pub fn record(&self, shape: Shape) -> Result<Recording> {
        Ok(self.write(shape, Acts::new(Some(&self.arena)))?.recording)
    }

    /// The same, and which products its dispatches (by index) compute, or make activations ready for.
    pub fn record_products(&self, shape: Shape) -> Result<(Recording, Vec<(Product, usize)>)> {
        let Recorded { recording, products, .. } = self.write(shape, Acts::new(Some(&self.arena)))?;
        Ok((recording, products))
    }

    /// What makes logits of masked words, one at a time, and where what is made of its state is to be written; `None` where
    /// the network has no head for them.
    pub fn record_words(&self) -> Result<Option<(BufferId, Recording)>> {
        let words = |output| Pass::words(self.places(), Acts::new(Some(&self.arena)), output);
        self.network.words.map(words).transpose()
    }

    fn places(&self) -> Places<'_> {
        Places {
            net: &self.net,
            weights: &self.network.weights,
            kv: &self.kv,
            ropes: &self.ropes,
            ends: &self.ends,
            choice: &self.choice,
            tuning: &self.tuning,
        }
    }

    fn write(&self, shape: Shape, acts: Acts) -> Result<Recorded> {
        let Network { embeddings, layers, output_norm, output, .. } = &self.network;
        let mut pass = Pass::begin(self.places(), shape, acts, embeddings)?;
        for (index, (block, layer)) in self.net.blocks.iter().zip(layers).enumerate() {
            pass.block(index, block, layer)?;
        }
        pass.logits(*output_norm, *output)?;
        pass.finish()
    }

    /// What passes need of an arena, by a trial of each kind at its largest.
    fn needs(&self) -> Result<Needs> {
        let mut needs = Needs::default();
        for shape in Shape::largest(self.sizes.max_rows, self.sizes.max_outputs) {
            needs.join(self.write(shape, Acts::new(None))?.needs);
        }
        Ok(needs)
    }
}
