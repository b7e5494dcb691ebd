//! A model on a device of its own, and what its passes must read and compute at the least.

use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::device::memory::{Memory, Named};
use sotto::device::recording::{Dispatch, Recording};
use sotto::eval::{self, Reads};
use sotto::file::{Catalog, Tensor};
use sotto::kernels::choose::Choice;
use sotto::kernels::recurrent::FromTo;
use sotto::kernels::table::KernelId;
use sotto::model::forward::{Model, Sizes};
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};

use crate::shapes::Shape;
use crate::synthetic;

pub struct Subject {
    pub shape: &'static Shape,
    pub quant: String,
    pub gpu: Gpu,
    pub model: Model,
    /// Of the rows of a prompt, the first that are each of another sequence, for layers with states.
    pub others: u32,
    sequence: SequenceId,
    catalog: Catalog,
    /// The same with all of the model's layers.
    whole: Catalog,
}

impl Subject {
    pub fn new(
        shape: &'static Shape,
        quant: &str,
        layers: u32,
        sizes: Sizes,
        choice: Choice,
        mut gpu: Gpu,
    ) -> Result<Self> {
        let catalog = synthetic::catalog(shape, quant, layers);
        let mut model = synthetic::place(&catalog, sizes, choice, &mut gpu)?;
        let sequence = model.kv_mut().open(sizes.cells, &mut gpu)?;
        let whole = synthetic::catalog(shape, quant, shape.n_layers);
        Ok(Subject { shape, quant: quant.into(), gpu, model, others: 0, sequence, catalog, whole })
    }

    /// Tells the next pass its rows: tokens at positions from `position` on.
    pub fn write_batch(&mut self, rows: u32, position: u32, prefill: bool) {
        let n_vocab = u64::from(self.model.net.n_vocab);
        let sequence = self.sequence;
        let row = |position: u32| Row {
            token: (u64::from(position) * 7919 % n_vocab) as u32,
            position,
            sequence,
            logits: false,
        };
        let batch = Batch { rows: (position..position + rows).map(row).collect(), prefill };
        // Of states nothing is asked but the time that they take.
        let store = self.model.kv_mut();
        store.suppose(sequence, position, &mut self.gpu).expect("cells");
        store.make_ready(&batch.spans(), &mut self.gpu).expect("cells");
        let words = batch.words(self.model.kv()).expect("an open sequence");
        self.gpu.write(self.model.batch_buffer(), 0, bytemuck::cast_slice(&words));
        if let Some((at, tables)) = batch.near_words(self.model.kv()).expect("an open sequence") {
            self.gpu.write(self.model.batch_buffer(), 4 * u64::from(at), bytemuck::cast_slice(&tables));
        }
        if self.model.kv().states.are_there() {
            let others = if prefill { self.others.min(rows) } else { 0 };
            let mine = (0..rows - others).map(|place| [0, 1, place, rows - others]);
            let words: Vec<FromTo> = (0..others).map(|_| [0, 1, 0, 1]).chain(mine).collect();
            self.gpu.write(self.model.from_to_buffer(), 0, bytemuck::cast_slice(&words));
        }
        self.gpu.write(self.model.outputs_buffer(), 0, bytemuck::bytes_of(&(rows - 1)));
    }

    pub fn reads(&self, dispatch: &Dispatch, rows: u32, position: u32) -> Reads {
        eval::reads(&self.gpu, &self.model, dispatch, position..position + rows)
    }

    /// What a pass reads, scaled from the layers that are there to all.
    pub fn pass_bytes(&self, recording: &Recording, rows: u32, position: u32) -> f64 {
        let reads = eval::total(&self.gpu, &self.model, recording, position..position + rows);
        let layers = f64::from(self.shape.n_layers) / self.model.net.blocks.len() as f64;
        let weights = product_bytes(&self.whole) / product_bytes(&self.catalog);
        reads.weights as f64 * weights + reads.kv as f64 * layers
    }

    /// All of the model's layers in terms of those that are there, by the bytes of their weights; 1 if all are there.
    pub fn layers_scale(&self) -> f64 {
        let layers = |catalog| factors(catalog).filter(|f| !f.1).map(|(tensor, _)| tensor.bytes as f64).sum::<f64>();
        layers(&self.whole) / layers(&self.catalog)
    }

    /// Operations of the products of a prompt whose last row wants logits, with all layers.
    pub fn prefill_flops(&self, tokens: u32) -> f64 {
        products(&self.whole, tokens)
    }

    /// The tensor that a dispatch multiplies by: its name without the layer, and its rows and columns in this part.
    pub fn weight(&self, dispatch: &Dispatch) -> Option<(String, u64, u64)> {
        let (matrix, part) = dispatch.buffers.iter().find_map(|&id| self.model.weights().part(id))?;
        let name =
            self.gpu.label(part.buffer).trim_start_matches("blk.").trim_start_matches(|c: char| c.is_ascii_digit());
        let name = name.trim_start_matches('.').trim_end_matches(".weight");
        Some((name.to_string(), part.n_rows.into(), matrix.k.into()))
    }

    /// Operations of a dispatch: two a weight and row, and in attention four a channel of each cell that a head sees.
    pub fn flops(&self, dispatch: &Dispatch, rows: u32, position: u32) -> f64 {
        if dispatch.kernel().id == KernelId::Embed {
            return 0.0;
        }
        if let Some((name, n, k)) = self.weight(dispatch) {
            let is_output = name == "output" || name == "token_embd";
            return 2.0 * (n * k) as f64 * f64::from(if is_output { 1 } else { rows });
        }
        let layer = self.model.kv().layers.iter().position(|(k, _)| dispatch.buffers.contains(k));
        match layer {
            Some(layer) if self.reads(dispatch, rows, position).kv > 0 => {
                let Some(attention) = self.model.net.blocks[layer].attention() else { return 0.0 };
                let window = attention.mask.window().unwrap_or(u32::MAX);
                let cells: f64 = (position..position + rows).map(|p| f64::from((p + 1).min(window))).sum();
                4.0 * f64::from(attention.q_dim()) * cells
            }
            _ => 0.0,
        }
    }
}

/// Bytes of the tensors that every token is multiplied by.
fn product_bytes(catalog: &Catalog) -> f64 {
    factors(catalog).map(|(tensor, _)| tensor.bytes as f64).sum()
}

fn products(catalog: &Catalog, tokens: u32) -> f64 {
    let rows = |is_output| f64::from(if is_output { 1 } else { tokens });
    factors(catalog).map(|(t, is_output)| 2.0 * t.shape.iter().product::<u64>() as f64 * rows(is_output)).sum()
}

/// The matrices, and whether each makes the logits; an embedding only where it is the output too.
fn factors(catalog: &Catalog) -> impl Iterator<Item = (&Tensor, bool)> {
    let tied = catalog.tensor("output.weight").is_none();
    let matrices = catalog.tensors.iter().filter(|tensor| tensor.shape.len() == 2);
    matrices.filter_map(move |tensor| match tensor.name.as_str() {
        "output.weight" => Some((tensor, true)),
        "token_embd.weight" => tied.then_some((tensor, true)),
        _ => Some((tensor, false)),
    })
}
