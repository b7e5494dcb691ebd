//! A model laid out in memory, and its forward pass: embed, then the blocks, then logits. Activations are f32,
//! row-major, [rows of the batch][width].

use std::collections::BTreeSet;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::{Exchange, Memory};
use crate::device::recording::Recording;
use crate::file::Catalog;
use crate::file::adapter::Adapter;
use crate::kernels::choose::{Choice, Product, Tuning};
use crate::kernels::table::choices::Merge;
use crate::model::adapter::{AdapterId, Adapters, Incoming, Spot};
use crate::model::arena::{Acts, Arena, Needs};
use crate::model::blocks::{Ends, FileRows, Merged, Network, Pass, Places, Recorded, Splits};
use crate::model::head;
use crate::model::place::Weights;
use crate::model::rope;
use crate::model::spec::{Net, RopeFactors};
use crate::model::store::{Near, States, Store};
use crate::model::upload::Upload;

pub use crate::model::blocks::{Mixture, Shape};

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
    pub(super) ropes: rope::Tables,
    ends: Ends,
    arena: Arena,
    adapters: Adapters,
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
        let (network, placements) = Network::place(catalog, &net, sizes.max_rows, memory)?;
        let kind = choice.kv_type();
        let cell_bytes = net.blocks.iter().map(|block| block.attention().map_or([0; 2], |spec| spec.cell_bytes(kind)));
        let near = Near::new(net.windows(), sizes.context, sizes.cells, sizes.max_rows);
        let mut kv = Store::with_windows(cell_bytes, kind, sizes.cells, near, memory)?;
        kv.place_tables(sizes.max_rows, sizes.context);
        kv.states = States::new(net.blocks.iter().map(|block| block.state(&net)), memory)?;
        let ropes = rope::Tables::place(&net, sizes.context, memory)?;
        let (rows, outputs) = (u64::from(sizes.max_rows), u64::from(sizes.max_outputs));
        // One masked word's are as many as tokens.
        let words = if network.words.is_some() { u64::from(net.n_vocab) } else { 0 };
        let logits = outputs * u64::from(net.output_row().room);
        let tables = kv.table_bytes(sizes.max_rows, sizes.context) * if kv.near_tables().is_some() { 2 } else { 1 };
        let ends = Ends {
            batch: memory.alloc("batch", rows * 16 + tables)?,
            from_to: memory.alloc("from to", if kv.states.are_there() { rows * 16 } else { 0 })?,
            outputs: memory.alloc("outputs", outputs * 4)?,
            logits: memory.alloc("logits", logits.max(words) * 4)?,
            none: memory.alloc("none", 16)?,
            merged: Merged::place(&net, &choice, memory)?,
        };
        let (tuning, arena, adapters) = (Tuning::default(), Arena::default(), Adapters::default());
        let head = Vec::new();
        let mut model = Model { net, sizes, choice, tuning, head, network, kv, ropes, ends, arena, adapters };
        let mut needs = model.needs(&model.adapters)?;
        // States before all blocks of a pass are the only activations that may be larger than its rows: row after row needs none.
        if needs.largest() > memory.max_binding() && model.choice.blocks {
            model.choice.blocks = false;
            needs = model.needs(&model.adapters)?;
        }
        model.arena = Arena::place(&needs, memory)?;
        Ok((model, Upload::new(placements)))
    }

    /// `BadMetadata` where frequencies are to be divided by what is no number above 0.
    pub fn check_factors(&self, upload: &Upload) -> Result<()> {
        let count = self.net.rope_factors.map_or(0, RopeFactors::count);
        match upload.host[..count].iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
            Some(factor) => bail!(BadMetadata, "The file's factors of RoPE hold {factor}; the file is damaged"),
            None => Ok(()),
        }
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

    /// The words of each row, and tables of their sequences' cells: see [`cell`](crate::kernels::cell).
    pub fn batch_buffer(&self) -> BufferId {
        self.ends.batch
    }
    /// Which states each row reads and writes.
    pub fn from_to_buffer(&self) -> BufferId {
        self.ends.from_to
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

    /// Rows of a tensor that stays in the file, which are wanted before each pass.
    pub fn file_rows(&self) -> Option<&FileRows> {
        self.network.embeddings.layers.as_ref().and_then(|layers| layers.file_rows())
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
        Ok(self.write(shape, Acts::new(Some(&self.arena)), self.places())?.recording)
    }

    /// The same in parts: where experts stay in the file, what multiplies by those of a layer is a part, and what comes before.
    pub fn record_parts(&self, shape: Shape) -> Result<Vec<(Recording, Option<Mixture>)>> {
        let Recorded { recording, mixtures, .. } = self.write(shape, Acts::new(Some(&self.arena)), self.places())?;
        let mut dispatches = recording.dispatches.into_iter();
        let mut done = 0;
        let mut next = |end: usize| {
            let part = dispatches.by_ref().take(end - std::mem::replace(&mut done, end)).collect();
            Recording { dispatches: part }
        };
        let mut parts = Vec::with_capacity(2 * mixtures.len() + 1);
        for mixture in mixtures {
            parts.push((next(mixture.dispatches.start), None));
            parts.push((next(mixture.dispatches.end), Some(mixture)));
        }
        parts.push((next(usize::MAX), None));
        Ok(parts)
    }

    /// The same, and which products its dispatches (by index) compute, or make activations ready for.
    pub fn record_products(&self, shape: Shape) -> Result<(Recording, Vec<(Product, usize)>)> {
        let Recorded { recording, products, .. } = self.write(shape, Acts::new(Some(&self.arena)), self.places())?;
        Ok((recording, products))
    }

    /// The same, and which of its dispatches compute which cut attention.
    pub fn record_splits(&self, shape: Shape) -> Result<(Recording, Splits)> {
        let Recorded { recording, splits, .. } = self.write(shape, Acts::new(Some(&self.arena)), self.places())?;
        Ok((recording, splits))
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
            adapters: &self.adapters,
            choice: &self.choice,
            tuning: &self.tuning,
        }
    }

    fn write<'a>(&'a self, shape: Shape, acts: Acts<'a>, at: Places<'a>) -> Result<Recorded> {
        let Network { embeddings, layers, output_norm, output, .. } = &self.network;
        let mut pass = Pass::begin(at, shape, acts, embeddings)?;
        for (index, (block, layer)) in self.net.blocks.iter().zip(layers).enumerate() {
            pass.block(index, block, layer)?;
        }
        pass.logits(*output_norm, *output)?;
        pass.finish()
    }

    /// What passes need of an arena, by a trial of each kind at its largest. `BadAdapter` where one of the adapters changes
    /// what is computed otherwise than by a product.
    fn needs(&self, adapters: &Adapters) -> Result<Needs> {
        let (mut needs, mut adapted) = (Needs::default(), BTreeSet::new());
        // Where attention's stretches come together decides which activations there are, and may be measured later.
        let merges = self.choice.merge.map_or(vec![None], |_| Merge::ALL.map(Some).to_vec());
        let tuning = self.tuning.of_products();
        for merge in merges {
            let choice = Choice { merge, ..self.choice };
            let at = Places { adapters, choice: &choice, tuning: &tuning, ..self.places() };
            for shape in Shape::largest(self.sizes.max_rows, self.sizes.max_outputs) {
                let recorded = self.write(shape, Acts::new(None), at)?;
                needs.join(recorded.needs);
                adapted.extend(recorded.adapted);
            }
        }
        match adapters.spots().find(|spot| !adapted.contains(spot)).as_ref() {
            None => Ok(needs),
            Some(spot) => {
                let what = match spot {
                    Spot::Matrix(matrix) => self.network.weights.names(*matrix),
                    Spot::Embedding => "the embedding".into(),
                    Spot::Head => "the output matrix".into(),
                };
                bail!(
                    BadAdapter,
                    "The adapter changes {what}, which cannot be adapted in this {} model yet; take an adapter without",
                    self.net.arch
                )
            }
        }
    }

    /// Takes other kernels from here on; passes that were recorded before must be gone. Fails as `memory` does.
    pub fn choose(&mut self, choice: Choice, memory: &mut dyn Exchange) -> Result<()> {
        self.choice = choice;
        let needs = self.needs(&self.adapters)?;
        self.arena.grow(&needs, memory)
    }

    /// Its adapters.
    pub fn adapters(&self) -> &Adapters {
        &self.adapters
    }

    /// Begins to load an adapter, whose bytes the result takes. `BadAdapter` where it does not fit; else as `memory` fails.
    pub fn begin_adapter(&self, adapter: &Adapter, memory: &mut dyn Exchange) -> Result<Incoming> {
        let of = (&self.net, &self.network);
        let incoming = Incoming::new(adapter, of, &self.adapters, self.sizes.max_rows, memory)?;
        match self.needs(incoming.adapters()) {
            Ok(_) => Ok(incoming),
            Err(error) => {
                incoming.give_up(memory);
                Err(error)
            }
        }
    }

    /// Takes an adapter whose bytes have come; passes that were recorded before must be gone. `Truncated` where bytes are
    /// missing; then nothing has changed.
    pub fn finish_adapter(&mut self, incoming: Incoming, memory: &mut dyn Exchange) -> Result<AdapterId> {
        match incoming.check() {
            Ok(id) => {
                let next = incoming.next();
                self.exchange(next, memory).map(|()| id)
            }
            Err(error) => {
                incoming.give_up(memory);
                Err(error)
            }
        }
    }

    /// Forgets an adapter; passes that were recorded before must be gone. Fails as `memory` does, and then it is still there.
    pub fn unload_adapter(&mut self, id: AdapterId, memory: &mut dyn Exchange) -> Result<()> {
        let next = self.adapters.without(id, self.sizes.max_rows, memory)?;
        self.exchange(next, memory)
    }

    fn exchange(&mut self, mut next: Adapters, memory: &mut dyn Exchange) -> Result<()> {
        let grown = self.needs(&next).and_then(|needs| self.arena.grow(&needs, memory));
        // What goes is what is not used from here on.
        std::mem::swap(&mut self.adapters, &mut next);
        if grown.is_err() {
            std::mem::swap(&mut self.adapters, &mut next);
        }
        next.free(memory);
        grown
    }
}
