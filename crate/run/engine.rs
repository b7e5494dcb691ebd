//! What is loaded: the device, the model on it, its tokenizer, and the forward passes made ready so far.

use std::collections::HashMap;

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::{Code, Error, Result};
use crate::base::platform::unix_time;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::device::{Device, Prepared};
use crate::model::forward::{Model, Shape};
use crate::run::batch::Batch;
use crate::run::decode::{self, Decoder, Sampled};
use crate::run::sampler::{Limits, Mode, SamplingParams};
use crate::run::tune;
use crate::text::template::{self, ChatTemplate, RenderOptions};
use crate::text::tokenizer::{EncodeOptions, Tokenizer};

/// What a generation starts from.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// A user's text: the chat template's one user message where the model has a template.
    Text(String),
    /// Text as it is: no template, special tokens parsed, BOS as the file says.
    Raw(String),
    /// OpenAI-shaped messages, for the chat template.
    Messages(serde_json::Value),
}

pub struct Engine {
    pub device: Device,
    /// Why it is this one: a sentence.
    pub reason: String,
    pub model: Model,
    pub tokenizer: Tokenizer,
    /// Kept as source: a broken template is an error only for who needs it.
    pub template: Option<String>,
    pub name: String,
    /// Bytes of tensors by type, the largest first: `[("Q4_K", 12345), …]`.
    pub types: Vec<(&'static str, u64)>,
    pub n_params: u64,
    /// Tokens whose keys and values lie in sequence 0, for the next prompt that starts alike.
    pub(crate) cached: Vec<u32>,
    /// Ends the work under way. A generation goes on only while this is its own.
    pub(crate) current: Cancel,
    prepared: HashMap<Shape, Prepared>,
    decoder: Decoder,
}

/// Prepared shapes kept; ends of prompts come in many lengths.
const KEPT_SHAPES: usize = 16;

impl Engine {
    /// Tokens are decoded at most `depth` at a time.
    pub(crate) fn new(
        mut device: Device,
        model: Model,
        tokenizer: Tokenizer,
        template: Option<String>,
        depth: usize,
    ) -> Result<Self> {
        let decoder = Decoder::new(&mut device, &model, depth)?;
        Ok(Engine {
            device,
            reason: String::new(),
            model,
            tokenizer,
            template,
            name: String::new(),
            types: Vec::new(),
            n_params: 0,
            cached: Vec::new(),
            current: Cancel::default(),
            prepared: HashMap::new(),
            decoder,
        })
    }

    /// Runs a batch; returns [rows that want logits][n_vocab], empty if none do. Generations end by it.
    /// `BadLogits` where the result is not a number; `DeviceLost` and the like where the device failed.
    pub async fn forward(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.begin();
        let shape = self.load(batch).await?;
        self.device.run(&self.prepared[&shape], &self.current).await?;
        if shape.outputs == 0 {
            self.device.idle().await?;
            return Ok(Vec::new());
        }
        let n = shape.outputs as u64 * self.model.config.n_vocab as u64;
        let bytes = self.device.read(self.model.logits_buffer(), n * 4).await?;
        let mut logits: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        if let Some(cap) = self.model.config.final_logit_softcap {
            logits.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
        if logits.iter().any(|l| !l.is_finite()) {
            return Err(decode::bad_logits(&self.device));
        }
        Ok(logits)
    }

    /// Ends the generation under way, if there is one: what is computed from here on is the caller's.
    pub(crate) fn begin(&mut self) -> Cancel {
        self.decoder.stop();
        self.current = Cancel::default();
        self.current.clone()
    }

    /// Ends the generation under way: its steps beyond the last token that was read are forgotten.
    pub(crate) fn stop(&mut self) {
        self.decoder.stop();
    }

    /// Runs rows of a prompt that want no logits. `Aborted` where the work was cancelled meanwhile, here and below.
    pub(crate) async fn prefill(&mut self, batch: &Batch) -> Result<()> {
        let shape = self.load(batch).await?;
        self.device.run(&self.prepared[&shape], &self.current).await?;
        self.device.idle().await
    }

    /// Runs the last rows of a prompt and samples the token after them; [`Engine::next_token`] gives it.
    pub(crate) async fn prefill_and_sample(
        &mut self,
        batch: &Batch,
        sampling: &SamplingParams,
        prompt: &[u32],
        limits: &Limits,
    ) -> Result<()> {
        self.decoder.prepare(sampling.mode(), &self.device, &self.current).await?;
        let shape = self.load(batch).await?;
        self.decoder.start(&mut self.device, sampling, prompt, limits);
        self.decoder.submit(&mut self.device, &self.prepared[&shape], &self.current).await?;
        // From here on the batch is the one row that sampling writes.
        self.device.write(self.model.outputs_buffer(), 0, bytemuck::bytes_of(&0u32));
        Ok(())
    }

    /// The next token of the generation; later ones are submitted meanwhile.
    pub(crate) async fn next_token(&mut self) -> Result<Sampled> {
        if !self.decode_shapes().iter().all(|shape| self.prepared.contains_key(shape)) {
            // The first waits for no kernel of those after it.
            if self.decoder.is_waiting() {
                return self.decoder.next(&self.device).await;
            }
            self.prepare_decode().await?;
        }
        while self.decoder.takes_more() {
            let shape = self.decode_shape(self.decoder.position());
            self.decoder.submit(&mut self.device, &self.prepared[&shape], &self.current).await?;
        }
        self.decoder.next(&self.device).await
    }

    /// The shape of one token after others.
    pub fn decode_shape(&self, position: u32) -> Shape {
        self.shape(Shape::decode(position))
    }

    /// As the device takes it.
    fn shape(&self, shape: Shape) -> Shape {
        Shape { split: shape.split && self.device.splits(), ..shape }
    }

    /// Prepares the batch's shape and writes its rows.
    async fn load(&mut self, batch: &Batch) -> Result<Shape> {
        let outputs = batch.outputs();
        let last = batch.rows.iter().map(|row| row.position).max().unwrap_or(0);
        let shape = self.shape(Shape::new(batch.rows.len() as u32, outputs.len() as u32, batch.prefill, last));
        self.prepare(shape).await?;
        let words = batch.words(self.model.sizes.context);
        self.device.write(self.model.batch_buffer(), 0, bytemuck::cast_slice(&words));
        if !outputs.is_empty() {
            self.device.write(self.model.outputs_buffer(), 0, bytemuck::cast_slice(&outputs));
        }
        Ok(shape)
    }

    async fn prepare(&mut self, shape: Shape) -> Result<()> {
        if !self.prepared.contains_key(&shape) {
            if self.prepared.len() >= KEPT_SHAPES {
                // Decoding one token and whole chunks stay; odd ends of prompts go.
                let full = self.model.sizes.max_rows;
                self.prepared.retain(|s, _| s.rows == 1 || s.rows == full);
            }
            let recording = self.model.record(shape)?;
            self.prepared.insert(shape, self.device.prepare(&recording, &self.current).await?);
        }
        Ok(())
    }

    /// Begins to compile what the first reply will need, in its order, where that can be done while weights arrive; and
    /// what there is to measure.
    pub(crate) fn compile_ahead(&self, tunes: bool) -> Result<()> {
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        let record = |shape| self.model.record(shape);
        let prompt = self.prompt_shapes().into_iter().map(record).collect::<Result<Vec<_>>>()?;
        let tokens = self.decode_shapes().into_iter().map(record).collect::<Result<Vec<_>>>()?;
        let passes = prompt.iter().chain(self.decoder.recordings()).chain(&tokens);
        let measured = if tunes { tune::kernels(gpu, &self.model)? } else { Vec::new() };
        gpu.compile_ahead(passes.flat_map(Recording::variants).chain(measured));
        Ok(())
    }

    /// Makes ready what a prompt and greedy tokens will need, so that none of them waits for it.
    pub(crate) async fn warm_up(&mut self) -> Result<()> {
        self.decoder.prepare(Mode::Greedy, &self.device, &self.current).await?;
        for shape in self.prompt_shapes() {
            self.prepare(shape).await?;
        }
        self.prepare_decode().await
    }

    fn prompt_shapes(&self) -> [Shape; 2] {
        let rows = self.model.sizes.max_rows;
        [Shape::new(rows, 1, true, 0), Shape::new(rows, 0, true, 0)]
    }

    /// Measures the products that no measurement is known of, and takes the fastest kernels from here on.
    pub(crate) async fn tune(&mut self) -> Result<()> {
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        if tune::tune(gpu, &mut self.model, tune::BUDGET).await? {
            self.prepared.clear();
        }
        Ok(())
    }

    /// Makes every shape of a decoded token ready, so that nothing is made between two of them.
    async fn prepare_decode(&mut self) -> Result<()> {
        for shape in self.decode_shapes() {
            self.prepare(shape).await?;
        }
        Ok(())
    }

    fn decode_shapes(&self) -> [Shape; 2] {
        [self.decode_shape(0), self.decode_shape(self.model.sizes.context - 1)]
    }

    /// Dispatches of a greedily decoded token, its sampling included.
    pub fn dispatches_per_token(&self) -> Result<usize> {
        Ok(self.model.record(Shape::decode(0))?.dispatches.len() + self.decoder.greedy_dispatches())
    }

    /// The prompt's token ids. `NoTemplate` for messages to a model without one; `PromptTooLong` past the context.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        let context = self.model.sizes.context as usize;
        let bytes = match prompt {
            Prompt::Raw(text) | Prompt::Text(text) => text.len(),
            Prompt::Messages(_) => 0,
        };
        if self.tokenizer.fewest_tokens(bytes) > context {
            bail!(
                PromptTooLong,
                "The prompt has {bytes} bytes but the context holds {context} tokens; shorten it or load the model with a larger contextLength."
            );
        }
        let ids = match prompt {
            Prompt::Raw(text) => {
                self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?
            }
            Prompt::Text(text) if self.template.is_none() => {
                self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: false })?
            }
            Prompt::Text(text) => self.encode_messages(&serde_json::json!([{ "role": "user", "content": text }]))?,
            Prompt::Messages(messages) => self.encode_messages(messages)?,
        };
        self.check_length(&ids)?;
        Ok(ids)
    }

    /// `PromptTooLong` past the context, `BadOption` for no tokens at all.
    pub(crate) fn check_length(&self, ids: &[u32]) -> Result<()> {
        let context = self.model.sizes.context as usize;
        if ids.len() > context {
            bail!(
                PromptTooLong,
                "The prompt has {} tokens but the context holds {context}; shorten it or load the model with a larger contextLength.",
                ids.len()
            );
        }
        if ids.is_empty() {
            bail!(BadOption, "The prompt is empty; give at least one token of text.");
        }
        Ok(())
    }

    fn encode_messages(&self, messages: &serde_json::Value) -> Result<Vec<u32>> {
        let Some(source) = &self.template else {
            return Err(Error::new(
                Code::NoTemplate,
                "This model has no chat template; give a plain text prompt instead of messages.",
            ));
        };
        let template = ChatTemplate::new(source)?;
        template::encode_chat(
            &self.tokenizer,
            &template,
            messages,
            &RenderOptions { add_generation_prompt: true, now: Some(unix_time()), ..Default::default() },
        )
    }
}
