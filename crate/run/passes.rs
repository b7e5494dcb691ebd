//! The forward passes of a model, made ready for its device: one a shape, before it is first needed.

use std::collections::HashMap;

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::recording::Recording;
use crate::device::{Device, Prepared};
use crate::model::forward::{Mixture, Model, Shape};
use crate::model::spec::Gives;
use crate::run::batch::Batch;
use crate::run::engine::Engine;
use crate::run::sampler::Mode;
use crate::run::tune;

/// Shapes kept; ends of prompts come in many lengths.
const KEPT: usize = 16;

/// Those that were made ready so far.
#[derive(Default)]
pub struct Passes(HashMap<Shape, Ready>);

/// A pass that is ready.
pub struct Ready {
    /// What comes before the last part, where [experts](super::experts) have to be brought in between.
    pub before: Vec<(Prepared, Option<Mixture>)>,
    /// All of it, where none have.
    pub last: Prepared,
}

impl Passes {
    /// Whether a pass of this shape is ready.
    pub fn has(&self, shape: Shape) -> bool {
        self.0.contains_key(&shape)
    }

    /// `Aborted` where the work was cancelled meanwhile.
    pub async fn prepare(&mut self, shape: Shape, model: &Model, device: &Device, cancel: &Cancel) -> Result<()> {
        if !self.has(shape) {
            if self.0.len() >= KEPT {
                // Decoding one token and whole chunks stay; odd ends of prompts go.
                let full = model.sizes.max_rows;
                self.0.retain(|s, _| s.rows == 1 || s.rows == full);
            }
            let mut before = Vec::new();
            for (recording, mixture) in model.record_parts(shape)? {
                before.push((device.prepare(&recording, cancel).await?, mixture));
            }
            let Some((last, _)) = before.pop() else { bail!(Internal, "A pass has no part.") };
            self.0.insert(shape, Ready { before, last });
        }
        Ok(())
    }

    /// One that was made ready.
    pub fn get(&self, shape: Shape) -> &Ready {
        &self.0[&shape]
    }

    /// The kernels are others now.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What a prompt takes: whole chunks, the last of which wants logits.
fn prompt_shapes(model: &Model) -> [Shape; 2] {
    let rows = model.sizes.max_rows;
    [Shape::new(rows, 1, true, 0), Shape::new(rows, 0, true, 0)]
}

impl Engine {
    /// As the device takes it.
    pub(super) fn shape(&self, shape: Shape) -> Shape {
        let cuts = self.model.choice.cuts;
        // Where one pass's experts may be more than are in memory, they come by turns.
        let prefill = shape.prefill || self.model.net.experts_exceed(shape.rows);
        Shape { before: if self.device.splits() { cuts.from(shape.before) } else { 0 }, prefill, ..shape }
    }

    /// The shape of a batch.
    pub(super) fn shape_of(&self, batch: &Batch) -> Shape {
        let last = batch.rows.iter().map(|row| row.position).max().unwrap_or(0);
        self.shape(Shape::new(batch.rows.len() as u32, batch.outputs().len() as u32, batch.prefill, last))
    }

    /// The shape of one token after others.
    pub fn decode_shape(&self, position: u32) -> Shape {
        self.shape(Shape::decode(position))
    }

    pub(super) fn decode_shapes(&self) -> Vec<Shape> {
        let mut all: Vec<Shape> =
            self.model.choice.cuts.all(self.model.sizes.context - 1).map(|at| self.decode_shape(at)).collect();
        all.dedup();
        all
    }

    pub(super) async fn prepare(&mut self, shape: Shape) -> Result<()> {
        self.passes.prepare(shape, &self.model, &self.device, &self.current).await
    }

    /// Whether every shape of a decoded token is ready.
    pub(super) fn decodes(&self) -> bool {
        self.decode_shapes().iter().all(|&shape| self.passes.has(shape))
    }

    /// Makes every shape of a decoded token ready, so that nothing is made between two of them.
    pub(super) async fn prepare_decode(&mut self) -> Result<()> {
        for shape in self.decode_shapes() {
            self.prepare(shape).await?;
        }
        Ok(())
    }

    /// Makes ready what a prompt and greedy tokens will need, so that none of them waits for it.
    pub(crate) async fn warm_up(&mut self) -> Result<()> {
        self.decoder.prepare(Mode::Greedy, &self.device, &self.current).await?;
        for shape in prompt_shapes(&self.model) {
            self.prepare(shape).await?;
        }
        self.prepare_decode().await
    }

    /// Begins to compile what the first reply will need, in its order, where that can be done while weights arrive; and
    /// what there is to measure.
    pub(crate) fn compile_ahead(&self, tunes: bool) -> Result<()> {
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        let record = |shape| self.model.record(shape);
        if self.model.net.gives != Gives::Logits {
            let whole = self.model.sizes.max_rows;
            let passes = [record(Shape::new(whole, whole, true, 0))?, record(Shape::new(whole, 1, true, 0))?];
            gpu.compile_ahead(passes.iter().flat_map(Recording::variants));
            return Ok(());
        }
        let prompt = prompt_shapes(&self.model).into_iter().map(record).collect::<Result<Vec<_>>>()?;
        let tokens = self.decode_shapes().into_iter().map(record).collect::<Result<Vec<_>>>()?;
        let passes = prompt.iter().chain(self.decoder.recordings()).chain(&tokens);
        let measured = if tunes { tune::kernels(gpu, &self.model)? } else { Vec::new() };
        gpu.compile_ahead(passes.flat_map(Recording::variants).chain(measured));
        Ok(())
    }

    /// Measures the products that no measurement is known of, and takes the fastest kernels from here on.
    pub(crate) async fn tune(&mut self) -> Result<()> {
        // Left out where there is none: a future keeps even what it never comes to.
        #[cfg(feature = "gpu")]
        if let Device::Gpu(gpu) = &self.device
            && tune::tune(gpu, &mut self.model, tune::BUDGET).await?
        {
            self.passes.clear();
        }
        Ok(())
    }

    /// Dispatches of a greedily decoded token, its sampling included.
    pub fn dispatches_per_token(&self) -> Result<usize> {
        Ok(self.model.record(Shape::decode(0))?.dispatches.len() + self.decoder.greedy_dispatches())
    }
}
