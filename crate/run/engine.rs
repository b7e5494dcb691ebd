//! What is loaded, and the work that it does: the requests under way, or one batch of a caller's.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::Device;
use crate::device::memory::Memory;
use crate::kernels::cell::BLOCK;
use crate::model::adapter::Blend;
use crate::model::filled::Filled;
use crate::model::forward::{Model, Shape};
use crate::model::spec::Gives;
use crate::model::store::{MOST_AHEAD, SequenceId};
use crate::run::adapters::Named;
use crate::run::batch::Batch;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::check::SelfCheck;
use crate::run::constraint::Constraint;
use crate::run::decode::{self, Decoder, Sampled};
use crate::run::experts::Experts;
use crate::run::pace::Pace;
use crate::run::passes::Passes;
use crate::run::request::{Request, Shared};
use crate::run::rows::Rows;
use crate::run::sampler::{Limits, SamplingParams};
use crate::run::speculate::draft::Draft;
use crate::run::speculate::worth::Worth;
use crate::run::stats::Counts;
use crate::text::template::Templates;
use crate::text::tokenizer::Tokenizer;

pub use crate::run::prompt::Prompt;

/// A loaded model, ready to run.
pub struct Engine {
    /// What it runs on.
    pub device: Device,
    /// Why it is this one: a sentence.
    pub reason: String,
    /// Its network, weights and cache.
    pub model: Model,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Kept as source: a broken template is an error only for who needs it.
    pub templates: Templates,
    /// `general.name` of the file, or what stands for it.
    pub name: String,
    /// How its file says that replies are drawn, or else Sotto does.
    pub sampling: SamplingParams,
    /// What its classifier tells apart, by the file or by number.
    pub labels: Vec<String>,
    /// Bytes of tensors by type, the largest first: `[("Q4_K", 12345), …]`.
    pub types: Vec<(&'static str, u64)>,
    /// Parameters: the elements of all tensors.
    pub n_params: u64,
    /// Of the bytes of its file, and whether its products may be less exact: what is saved of one model fits no other.
    pub fingerprint: (u64, bool),
    /// What the check of its kernels found, where there was one.
    #[cfg(not(target_arch = "wasm32"))]
    pub self_check: Option<SelfCheck>,
    /// What it has done so far.
    pub counts: Counts,
    /// Ends the pass under way.
    pub(crate) current: Cancel,
    /// What the work under way is a part of.
    pub(super) whole: Cancel,
    /// The requests under way, by their priority, and among equals in the order in which they came.
    pub(super) live: Vec<Shared>,
    /// The one that the resident loop samples for.
    pub(super) resident: Option<Weak<std::cell::RefCell<Request>>>,
    /// Passes for requests so far.
    pub(super) turn: u64,
    /// Passes that were asked for in a row, and had nothing to compute.
    pub(super) idle: u32,
    pub(super) pace: Pace,
    pub(super) passes: Passes,
    pub(super) decoder: Decoder,
    /// What guesses are worth.
    pub(super) worth: Worth,
    /// What stays in the file.
    pub(crate) rows: Option<Rows>,
    /// Experts that stay there.
    pub experts: Option<Experts>,
    /// The token that was sampled last.
    last: u32,
    /// Who else guesses.
    pub(super) draft: Option<Box<Draft>>,
    /// Steps that are under way are read, and none is submitted behind them.
    pub(super) drains: bool,
    /// Its adapters.
    pub(super) named: Named,
}

impl Engine {
    /// Tokens are decoded at most `depth` at a time.
    pub(crate) fn new(
        mut device: Device,
        model: Model,
        tokenizer: Tokenizer,
        templates: Templates,
        depth: usize,
    ) -> Result<Self> {
        let depth = if model.kv().states.are_there() { depth.min(MOST_AHEAD) } else { depth };
        let decoder = Decoder::new(&mut device, &model, depth)?;
        Ok(Engine {
            device,
            reason: String::new(),
            pace: Pace::new(model.sizes.max_rows as usize),
            model,
            tokenizer: Arc::new(tokenizer),
            templates,
            name: String::new(),
            sampling: SamplingParams::chat(),
            labels: Vec::new(),
            types: Vec::new(),
            n_params: 0,
            fingerprint: (0, false),
            #[cfg(not(target_arch = "wasm32"))]
            self_check: None,
            counts: Counts::default(),
            current: Cancel::default(),
            whole: Cancel::default(),
            live: Vec::new(),
            resident: None,
            turn: 0,
            idle: 0,
            passes: Passes::default(),
            decoder,
            worth: Worth::default(),
            rows: None,
            experts: None,
            last: 0,
            draft: None,
            drains: false,
            named: Named::default(),
        })
    }

    /// Ends the requests under way: what is computed from here on is the caller's.
    pub(crate) fn begin(&mut self) -> Cancel {
        self.end_all();
        self.current = self.whole.part();
        self.current.clone()
    }

    /// What begins from here on is a part of `whole`, and ends with it.
    pub fn within(&mut self, whole: Cancel) {
        self.whole = whole;
    }

    /// Whether the resident loop samples for this request.
    pub(crate) fn follows(&self, request: &Shared) -> bool {
        self.resident.as_ref().is_some_and(|resident| std::ptr::eq(resident.as_ptr(), Rc::as_ptr(request)))
    }

    /// Ends the resident loop: its steps beyond the last token that was read are forgotten.
    pub(crate) fn halt(&mut self) {
        self.decoder.stop();
        (self.resident, self.drains) = (None, false);
    }

    /// A sequence for [`Engine::forward`], with room for so many tokens; others may be forgotten for it, and it for
    /// others. Generations end by it. `PromptTooLong` where that is more than the cache holds.
    pub fn open(&mut self, room: u32) -> Result<SequenceId> {
        self.open_with(room, &Blend::new())
    }

    /// The same, read with these adapters.
    pub fn open_with(&mut self, room: u32, blend: &Blend) -> Result<SequenceId> {
        self.begin();
        self.model.kv_mut().open_with(room, blend, &mut self.device)
    }

    /// Sequences for texts of so many tokens, for which all others are forgotten: see [`Store::lay`](crate::model::store::Store::lay).
    pub(crate) fn lay(&mut self, tokens: &[u32], blend: &Blend) -> Result<Vec<SequenceId>> {
        self.begin();
        self.model.kv_mut().lay(tokens, blend)
    }

    /// Forgets a sequence.
    pub fn close(&mut self, sequence: SequenceId) {
        self.model.kv_mut().close(sequence);
    }

    /// `BadOption` where the model gives no logits.
    pub fn check_writes(&self) -> Result<()> {
        match self.model.net.gives {
            Gives::Logits => Ok(()),
            Gives::States { .. } => {
                bail!(BadOption, "This model embeds texts and writes none; call embed, rerank or classify.")
            }
        }
    }

    /// Runs a batch; returns [rows that want logits][n_vocab], empty if none do, or [rows][n_embd] of a model that embeds. Generations end by it.
    /// `Disposed` where a row's sequence is not kept any more; `BadLogits` where the result is not a number; `DeviceLost`
    /// and the like where the device failed; `Aborted` where what it is a part of was cancelled.
    pub async fn forward(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.begin().check()?;
        let shape = self.load(batch).await?;
        self.submit(shape).await?;
        if shape.outputs == 0 {
            self.device.idle().await?;
            return Ok(Vec::new());
        }
        let logits = self.logits(shape.outputs).await?;
        if logits.iter().any(|l| !l.is_finite()) {
            return Err(decode::bad_logits(&self.device));
        }
        Ok(logits)
    }

    /// The first rows of logits that were computed last: [rows][n_vocab], or of states: [rows][n_embd].
    pub(crate) async fn logits(&self, rows: u32) -> Result<Vec<f32>> {
        let Filled { length, room } = self.model.net.output_row();
        let bytes = self.device.read(self.model.logits_buffer(), u64::from(rows) * u64::from(room) * 4).await?;
        let mut logits: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        if length < room {
            logits = logits.chunks_exact(room as usize).flat_map(|row| &row[..length as usize]).copied().collect();
        }
        if let Some(cap) = self.model.net.final_logit_softcap {
            logits.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
        Ok(logits)
    }

    /// Submits a pass. `Aborted` where the work was cancelled meanwhile, here and below.
    pub(super) async fn run(&mut self, batch: &Batch) -> Result<()> {
        let shape = self.load(batch).await?;
        self.submit(shape).await
    }

    /// Submits all of a pass that is ready.
    async fn submit(&mut self, shape: Shape) -> Result<()> {
        self.lead(shape).await?;
        self.device.run(&self.passes.get(shape).last, &self.current).await
    }

    /// Submits all of it but the last part.
    async fn lead(&mut self, shape: Shape) -> Result<()> {
        match &mut self.experts {
            Some(experts) => experts.lead(self.passes.get(shape), &self.model, &mut self.device, &self.current).await,
            None => Ok(()),
        }
    }

    /// Runs the last rows of a text and samples the token after them, of what `mask` allows; [`Engine::next_token`] gives
    /// it.
    pub(crate) async fn compute_and_sample(
        &mut self,
        batch: &Batch,
        sampling: &SamplingParams,
        text: &[u32],
        limits: &Limits,
        mask: Option<&mut dyn Constraint>,
    ) -> Result<()> {
        self.decoder.prepare(sampling.mode().under(mask.is_some()), &self.device, &self.current).await?;
        let shape = self.load(batch).await?;
        self.decoder.start(&mut self.device, sampling, text, limits);
        // From here on the batch is the one row that sampling writes, and all of it wants logits.
        self.lead(shape).await?;
        self.decoder.submit(&mut self.device, &self.passes.get(shape).last, mask, &self.current).await
    }

    /// The next token of the generation. Where anything may come, later ones are submitted meanwhile; under a mask, or
    /// where a part of the model stays in the file, each waits for the one before.
    pub(crate) async fn next_token(&mut self, mask: Option<&mut dyn Constraint>) -> Result<Sampled> {
        let sampled = self.next_sampled(mask).await?;
        self.last = sampled.token;
        Ok(sampled)
    }

    async fn next_sampled(&mut self, mut mask: Option<&mut dyn Constraint>) -> Result<Sampled> {
        let (masked, stepped) = (mask.is_some(), mask.is_some() || self.rows.is_some() || self.experts.is_some());
        if self.decoder.is_waiting() && (stepped || self.drains || !self.decodes()) {
            // The first waits for no kernel of those after it.
            return self.decoder.next(&self.device).await;
        }
        self.prepare_decode().await?;
        self.decoder.set_masked(masked, &mut self.device, &self.current).await?;
        while self.decoder.takes_more() && !(stepped && self.decoder.is_waiting()) {
            let position = self.decoder.position();
            self.make_room(position)?;
            let shape = self.decode_shape(position);
            self.bring_rows(&[self.last]).await?;
            self.lead(shape).await?;
            let mask: Option<&mut dyn Constraint> = match &mut mask {
                Some(mask) => Some(&mut **mask),
                None => None,
            };
            self.decoder.submit(&mut self.device, &self.passes.get(shape).last, mask, &self.current).await?;
        }
        self.decoder.next(&self.device).await
    }

    /// Whether the resident loop has tokens to come: it ends where the context is full.
    pub(crate) fn loops(&self) -> bool {
        self.decoder.goes_on()
    }

    /// Whether tokens are under way that were not read yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.decoder.is_waiting()
    }

    /// Room for one more token, at `position`, in the sequence that the resident loop goes on with. Its table is told before
    /// the step is submitted, and the device does all of it in order: so a step finds the cells that it was meant to.
    fn make_room(&mut self, position: u32) -> Result<()> {
        let request = self.resident.as_ref().and_then(Weak::upgrade);
        let Some(sequence) = request.and_then(|request| request.borrow().sequence) else { return Ok(()) };
        let store = self.model.kv_mut();
        store.reserve(sequence, position + 1, &mut self.device)?;
        store.make_ready(&[(sequence, position, position + 1)], &mut self.device)?;
        store.check(sequence, position)?;
        if position.is_multiple_of(BLOCK) {
            let (own, apart) = (store.get(sequence)?, store.near_tables().unwrap_or(0));
            let cells = [own.table(position + 1).last(), own.near_table(position + 1).last()];
            for (cell, begin) in cells.into_iter().zip([0, apart]).filter_map(|(cell, begin)| Some((cell?, begin))) {
                let word = u64::from(begin + self.decoder.table() + position / BLOCK);
                self.device.write(self.model.batch_buffer(), 4 * word, bytemuck::bytes_of(&cell));
            }
        }
        if self.model.kv().states.are_there() {
            let from_to = self.model.kv_mut().from_to(sequence, position, 1)?;
            self.device.write(self.model.from_to_buffer(), 0, bytemuck::cast_slice(&from_to));
        }
        Ok(())
    }

    /// What stays in the file of these tokens, for the pass that is submitted next.
    pub(super) async fn bring_rows(&mut self, tokens: &[u32]) -> Result<()> {
        match &mut self.rows {
            Some(rows) => rows.bring(tokens, &self.model, &mut self.device).await,
            None => Ok(()),
        }
    }

    /// Prepares the batch's shape and writes its rows.
    pub(crate) async fn load(&mut self, batch: &Batch) -> Result<Shape> {
        if self.model.net.sees_ahead() && batch.prefill && !batch.is_whole() {
            bail!(
                PromptTooLong,
                "This model reads a prompt at once, at most {} tokens; shorten it or load the model with a larger maxBatchTokens.",
                self.model.sizes.max_rows
            );
        }
        let outputs = batch.outputs();
        let shape = self.shape_of(batch);
        self.prepare(shape).await?;
        if self.rows.is_some() {
            let tokens: Vec<u32> = batch.rows.iter().map(|row| row.token).collect();
            self.bring_rows(&tokens).await?;
        }
        self.write_rows(batch)?;
        // Where all rows want logits, nobody reads which.
        if !outputs.is_empty() {
            self.device.write(self.model.outputs_buffer(), 0, bytemuck::cast_slice(&outputs));
        }
        Ok(shape)
    }

    /// Tells the device the batch's rows.
    pub(crate) fn write_rows(&mut self, batch: &Batch) -> Result<()> {
        self.model.kv_mut().make_ready(&batch.spans(), &mut self.device)?;
        let words = batch.words(self.model.kv())?;
        self.device.write(self.model.batch_buffer(), 0, bytemuck::cast_slice(&words));
        if let Some((at, tables)) = batch.near_words(self.model.kv())? {
            self.device.write(self.model.batch_buffer(), 4 * u64::from(at), bytemuck::cast_slice(&tables));
        }
        if let Some(buffer) = self.model.adapters().gains_buffer() {
            let gains = batch.gains(self.model.kv(), self.model.adapters())?;
            self.device.write(buffer, 0, bytemuck::cast_slice(&gains));
        }
        if self.model.kv().states.are_there() {
            let from_to = batch.from_to(self.model.kv_mut())?;
            self.device.write(self.model.from_to_buffer(), 0, bytemuck::cast_slice(&from_to));
        }
        Ok(())
    }
}
