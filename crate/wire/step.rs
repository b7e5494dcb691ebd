//! What a load and a reply tell while they go on.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::error::Result;
use crate::chat::fit;
use crate::chat::reply::{ChatCompletion, ChatCompletionChunk, Completion};
use crate::chat::request::ChatRequest;
use crate::chat::session::Event;
use crate::chat::writing::Writing;
use crate::run::engine::Engine;
use crate::run::session;
use crate::run::session::{FinishReason, Generation};
use crate::run::timings::Timings;

/// How far a load or a prompt is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is under way. A load goes through `connect`, `download`, `upload` and `prepare`, and ends with `ready`; `verify`
    /// is the store's own, and `prefill` a reply's.
    pub phase: Phase,
    /// How much is done: bytes of the file, or prompt tokens.
    pub loaded: u64,
    /// Unknown until the file's header has been read if the server sends no length.
    #[schemars(extend("tsType" = "number | undefined"), required)]
    pub total: Option<u64>,
    /// The name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("tsType" = "string"))]
    pub file: Option<String>,
    /// Bytes in a second, lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("tsType" = "number"))]
    pub bytes_per_second: Option<f64>,
    /// Seconds until the phase is over, at this speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("tsType" = "number"))]
    pub seconds_left: Option<f64>,
    /// Whether the weights come from the browser's store instead of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("tsType" = "boolean"))]
    pub from_cache: Option<bool>,
}

impl Progress {
    /// Of a prompt's tokens.
    fn prefill(done: usize, total: usize) -> Progress {
        let (loaded, total) = (done as u64, Some(total as u64));
        let phase = Phase::Prefill;
        Progress { phase, loaded, total, file: None, bytes_per_second: None, seconds_left: None, from_cache: None }
    }
}

/// What is under way.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Phase {
    /// The file is looked for: in the store, on its server.
    Connect,
    /// Bytes of the file arrive from the network.
    Download,
    /// Bytes in the store are compared with their hashes.
    Verify,
    /// Bytes that are there go to the device.
    Upload,
    /// Bytes of a file that is made are written.
    Write,
    /// The engine starts.
    Prepare,
    /// The last event.
    Ready,
    /// Prompt tokens are read.
    Prefill,
}

/// A piece of the reply; the last one has `finishReason` and what follows it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// New text; empty while a character or stop text is undecided.
    pub text: String,
    /// New token ids.
    pub tokens: Vec<u32>,
    /// Why the reply ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// How many tokens it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The token ids the prompt became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<Vec<u32>>,
}

/// What a reply took.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// The reply's tokens, the one that ended it included.
    pub completion_tokens: usize,
}

/// What the next step of a reply gives.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// How far a prompt is.
    Progress(Progress),
    /// A piece of the reply.
    Chunk(Chunk),
}

impl Step {
    /// The generation's last step; none while it waits.
    pub fn of(step: session::Step, generation: &Generation) -> Option<Step> {
        Some(match step {
            session::Step::Waiting => return None,
            session::Step::Prefill { done, total } => Step::Progress(Progress::prefill(done, total)),
            session::Step::Token { text, tokens } => Step::Chunk(Chunk { text, tokens, ..Default::default() }),
            session::Step::End { reason, text, tokens } => Step::Chunk(Chunk {
                text,
                tokens,
                finish_reason: Some(reason),
                timings: Some(generation.timings),
                usage: Some(Usage {
                    prompt_tokens: generation.prompt.len(),
                    completion_tokens: generation.tokens.len(),
                }),
                prompt_tokens: Some(generation.prompt.clone()),
            }),
        })
    }
}

/// What the next step of a request gives: a progress, a piece of its answer, or the whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatStep {
    /// How far the prompt is.
    Progress(Progress),
    /// A piece of a streamed chat.
    Chunk(ChatCompletionChunk),
    /// The answer of a chat.
    Completion(ChatCompletion),
    /// A piece of a completion, or all of it.
    Text(Completion),
}

impl From<Event> for ChatStep {
    fn from(event: Event) -> Self {
        match event {
            Event::Progress { done, total } => ChatStep::Progress(Progress::prefill(done, total)),
            Event::Chunk(chunk) => ChatStep::Chunk(chunk),
            Event::Completion(completion) => ChatStep::Completion(completion),
            Event::Text(completion) => ChatStep::Text(completion),
        }
    }
}

/// What messages take of the context.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// The prompt that they become, as the model reads it, control tokens included.
    pub text: String,
    /// Of that prompt.
    pub tokens: usize,
    /// Tokens that the context holds.
    pub context_length: u32,
    /// Tokens of it that the reply should find free.
    pub room: u32,
}

impl Counted {
    /// By the request that would be answered. Errors: as of that.
    pub fn of(engine: &Engine, request: &ChatRequest) -> Result<Counted> {
        let context_length = engine.model.sizes.context;
        let room = fit::room(context_length, request.options(&engine.sampling)?.max_tokens);
        let tokens = Writing::of(engine, request)?.tokens(engine, &request.messages, None)?;
        let text = engine.tokenizer.decode(&tokens, true);
        Ok(Counted { text, tokens: tokens.len(), context_length, room })
    }
}
