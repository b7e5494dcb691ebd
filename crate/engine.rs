//! What is loaded: the device, the model on it, its tokenizer, and the forward passes made ready so far.

use std::collections::HashMap;

use crate::bail;
use crate::batch::Batch;
use crate::chat::{self, ChatTemplate, RenderOptions};
use crate::error::{Code, Error, Result};
use crate::forward::{Model, Shape};
use crate::gpu::{Gpu, Prepared};
use crate::memory::Memory;
use crate::tokenizer::{EncodeOptions, Tokenizer};

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
    pub gpu: Gpu,
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
    prepared: HashMap<Shape, Prepared>,
}

/// Prepared shapes kept; ends of prompts come in many lengths.
const KEPT_SHAPES: usize = 16;

impl Engine {
    pub(crate) fn new(gpu: Gpu, model: Model, tokenizer: Tokenizer, template: Option<String>) -> Self {
        Engine {
            gpu,
            model,
            tokenizer,
            template,
            name: String::new(),
            types: Vec::new(),
            n_params: 0,
            cached: Vec::new(),
            prepared: HashMap::new(),
        }
    }

    /// Runs a batch; returns [rows that want logits][n_vocab], empty if none do.
    /// `BadLogits` where the result is not a number; `DeviceLost` and the like where the device failed.
    pub async fn forward(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let outputs = batch.outputs();
        let last = batch.rows.iter().map(|row| row.position).max().unwrap_or(0);
        let shape = Shape::new(batch.rows.len() as u32, outputs.len() as u32, batch.prefill, last);
        self.prepare(shape)?;
        let (batch_buffer, outputs_buffer) = (self.model.batch_buffer(), self.model.outputs_buffer());
        self.gpu.write(batch_buffer, 0, bytemuck::cast_slice(&batch.words(self.model.sizes.context)));
        if !outputs.is_empty() {
            self.gpu.write(outputs_buffer, 0, bytemuck::cast_slice(&outputs));
        }
        self.gpu.run(&self.prepared[&shape]);
        if outputs.is_empty() {
            self.gpu.idle().await?;
            return Ok(Vec::new());
        }
        let n = outputs.len() * self.model.config.n_vocab as usize;
        let bytes = self.gpu.read(self.model.logits_buffer(), n as u64 * 4).await?;
        let mut logits: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        if let Some(cap) = self.model.config.final_logit_softcap {
            logits.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
        if logits.iter().any(|l| !l.is_finite()) {
            bail!(
                BadLogits,
                "The model's output on '{}' is not a number; the file may be damaged or the driver may compute wrongly.",
                self.gpu.caps.adapter
            );
        }
        Ok(logits)
    }

    fn prepare(&mut self, shape: Shape) -> Result<()> {
        if !self.prepared.contains_key(&shape) {
            if self.prepared.len() >= KEPT_SHAPES {
                // Decoding one token and whole chunks stay; odd ends of prompts go.
                let full = self.model.sizes.max_rows;
                self.prepared.retain(|s, _| s.rows == 1 || s.rows == full);
            }
            let recording = self.model.record(shape)?;
            self.prepared.insert(shape, self.gpu.prepare(&recording));
        }
        Ok(())
    }

    /// Compiles what the first prompt and token will need.
    pub(crate) fn warm_up(&mut self) -> Result<()> {
        let rows = self.model.sizes.max_rows;
        self.prepare(Shape::new(1, 1, false, 0))?;
        self.prepare(Shape::new(rows, 0, true, 0))?;
        self.prepare(Shape::new(rows, 1, true, 0))
    }

    /// Dispatches of a decoded token.
    pub fn dispatches_per_token(&mut self) -> Result<usize> {
        let shape = Shape::new(1, 1, false, 0);
        self.prepare(shape)?;
        Ok(self.prepared[&shape].len())
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
        chat::encode_chat(
            &self.tokenizer,
            &template,
            messages,
            &RenderOptions { add_generation_prompt: true, now: Some(unix_time()), ..Default::default() },
        )
    }
}

/// Seconds since 1970, for templates that tell the model the date.
fn unix_time() -> i64 {
    let now = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() as i64)
}
