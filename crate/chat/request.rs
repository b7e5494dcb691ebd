//! What a request may hold. Names, ranges and meanings are OpenAI's but for those of [`SottoOptions`] and
//! [`SottoSampling`]; `null` is as good as nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::base::many::OneOrMany;
use crate::run::adapters::Wanted;
use crate::run::sampler::range;
use crate::run::schedule::Schedule;
use crate::run::speculate::Speculate;

/// A request of `chat.completions.create`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChatRequest {
    /// The conversation so far, the oldest message first.
    #[schemars(with = "Vec<Value>", extend("tsType" = "ChatMessage[]", "optional" = false))]
    pub messages: Value,
    /// The longest reply, in tokens; by default until the context is full.
    #[schemars(extend("unlimited" = true, "tsType" = "number | null", "aliases" = ["max_new_tokens", "n_predict"]))]
    pub max_completion_tokens: Option<u32>,
    /// Whether the answer tells the probability of each token of the reply.
    #[schemars(extend("tsType" = "boolean | null"))]
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens are told at each place, beside the one that was chosen; wants `logprobs`.
    #[schemars(range(min = 0, max = 20), extend("tsType" = "number | null"))]
    pub top_logprobs: Option<u32>,
    /// How long the model thinks, where its template knows of it: `none` turns thinking off.
    #[schemars(extend("tsType" = "ReasoningEffort | null"))]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// What the reply must be: text by default; JSON, by a schema or any object; or, Sotto's own, what a regular expression
    /// matches or a grammar derives. What cannot be kept is refused.
    #[schemars(with = "Map<String, Value>", extend("tsType" = "ResponseFormat"))]
    pub response_format: Option<Value>,
    /// What the model may call.
    #[schemars(with = "Vec<Tool>", extend("tsType" = "ChatTool[]"))]
    pub tools: Option<Vec<Value>>,
    /// Whether the model may call tools: `auto` by default, `none` hides the tools from it, `required` or the choice of one
    /// (`{type: "function", function: {name}}`) makes it call; one of type `allowed_tools` leaves some of them.
    #[schemars(with = "ToolChoice", extend("tsType" = "ToolChoice"))]
    pub tool_choice: Option<Value>,
    /// Whether a reply may hold several calls; of those that are forced there are at most 8, of a chosen tool's one.
    pub parallel_tool_calls: Option<bool>,
    /// What requests of `completions.create` have too.
    #[serde(flatten)]
    pub common: Common,
    /// How Sotto samples beyond OpenAI's API.
    #[serde(flatten)]
    pub sampling: SottoSampling,
    /// What is Sotto's own.
    #[serde(flatten)]
    pub sotto: SottoOptions,
    /// What is accepted and ignored.
    #[serde(flatten)]
    pub ignored: Ignored,
    /// What is accepted where it asks for nothing.
    #[serde(flatten)]
    pub inert: InertChat,
}

/// A request of `completions.create`: text that goes on as it is, with no template.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CompletionRequest {
    /// The text to continue, or its token ids; or a list of texts or of lists of ids, each of which is continued.
    #[schemars(
        with = "PromptSchema",
        extend("tsType" = "string | string[] | number[] | number[][] | null", "optional" = false)
    )]
    pub prompt: Value,
    /// Whether the reply starts with the prompt.
    #[schemars(extend("tsType" = "boolean | null"))]
    pub echo: Option<bool>,
    /// How many of the likeliest tokens are told at each place, with their probabilities; not with `echo`.
    #[schemars(range(min = 0, max = 20), extend("tsType" = "number | null"))]
    pub logprobs: Option<u32>,
    /// What requests of `completions.create` have too.
    #[serde(flatten)]
    pub common: Common,
    /// How Sotto samples beyond OpenAI's API.
    #[serde(flatten)]
    pub sampling: SottoSampling,
    /// What is accepted and ignored.
    #[serde(flatten)]
    pub ignored: Ignored,
    /// What is accepted where it asks for nothing.
    #[serde(flatten)]
    pub inert: InertCompletion,
}

/// What both kinds of request hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Common {
    /// The longest reply, in tokens. In a chat, `max_completion_tokens` is taken where both are given; a completion has
    /// 16 by default.
    #[schemars(extend("unlimited" = true, "tsType" = "number | null", "aliases" = ["num_predict"]))]
    pub max_tokens: Option<u32>,
    /// Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy.
    #[schemars(
        range(min = *range::TEMPERATURE.start(), max = *range::TEMPERATURE.end()),
        extend("tsType" = "number | null", "aliases" = ["temp"])
    )]
    pub temperature: Option<f32>,
    /// Only the best tokens that reach this probability together; 1 for all.
    #[schemars(range(min = *range::TOP_P.start(), max = *range::TOP_P.end()), extend("tsType" = "number | null"))]
    pub top_p: Option<f32>,
    /// How many replies to make; each has the seed after the one before.
    #[schemars(range(min = 1, max = 128), extend("tsType" = "number | null"))]
    pub n: Option<u32>,
    /// Texts that end the reply; they are not part of it.
    #[schemars(extend("tsType" = "string | string[] | null", "aliases" = ["stop_sequences", "stop_strings"]))]
    pub stop: Option<OneOrMany<String>>,
    /// The same seed and request give the same reply on the same machine; by default each reply is another one.
    #[schemars(extend("tsType" = "number | null"))]
    pub seed: Option<i64>,
    /// Added to the logits of these token ids, from -100, which bans a token, to 100.
    #[schemars(with = "BTreeMap<String, Bias>", extend("tsType" = "{ [key: string]: number } | null"))]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Subtracted from a recent token's logit for each time it occurred.
    #[schemars(
        range(min = *range::FREQUENCY_PENALTY.start(), max = *range::FREQUENCY_PENALTY.end()),
        extend("tsType" = "number | null")
    )]
    pub frequency_penalty: Option<f32>,
    /// Subtracted once from each recent token's logit.
    #[schemars(
        range(min = *range::PRESENCE_PENALTY.start(), max = *range::PRESENCE_PENALTY.end()),
        extend("tsType" = "number | null")
    )]
    pub presence_penalty: Option<f32>,
    /// Whether the answer comes in chunks, as it is written.
    #[schemars(extend("tsType" = "boolean | null"))]
    pub stream: Option<bool>,
    /// What a streamed answer tells beside its text.
    #[schemars(extend("tsType" = "{ include_usage?: boolean; include_obfuscation?: boolean } | null"))]
    pub stream_options: Option<StreamOptions>,
    /// Of each reply, by its index: tokens that were sampled for it on an engine that is gone. It goes on behind them.
    #[serde(skip)]
    pub past: BTreeMap<usize, Vec<u32>>,
}

/// How Sotto samples beyond what OpenAI's API can say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SottoSampling {
    /// Only the k best tokens; 0 for all.
    pub top_k: Option<u32>,
    /// Only tokens at least this likely compared with the best; 0 for all.
    #[schemars(range(min = *range::MIN_P.start(), max = *range::MIN_P.end()))]
    pub min_p: Option<f32>,
    /// Divides (multiplies, below zero) the logits of recent tokens; 1 for none.
    #[schemars(
        range(min = *range::REPEAT_PENALTY.start(), max = *range::REPEAT_PENALTY.end()),
        extend("aliases" = ["repetition_penalty"])
    )]
    pub repeat_penalty: Option<f32>,
    /// How many of the last tokens the penalties look at, the prompt's included.
    pub repeat_last_n: Option<u32>,
    /// Token ids that end the reply, beside the model's own.
    #[schemars(extend("aliases" = ["stop_tokens"]))]
    pub stop_token_ids: Vec<u32>,
    /// Whether tokens are guessed by what followed the same words before, in prompt and reply: several right ones then come
    /// of one pass, and the reply stays the same (on a GPU, but for tokens that are as good as equally likely). `auto`: where
    /// it is quicker, as measured; a number: so many a pass, in any case. Not while other replies are under way, nor under a
    /// grammar.
    pub speculate: Speculate,
    /// How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none.
    #[schemars(extend("tsType" = "Record<string, number>", "flag" = false))]
    pub adapter: Wanted,
    /// What the order of work is to serve where several replies are under way. `latency`: that nobody's next token waits long
    /// for another's prompt; `throughput`: that all are done as soon as can be, as is right for work that nobody watches.
    pub schedule: Schedule,
    /// Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
    /// same in the order in which they came. The next tokens of all go on side by side.
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
}

/// Options of a chat beyond OpenAI's API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SottoOptions {
    /// Variables of the chat template by name, such as `enable_thinking` or `documents`.
    #[schemars(extend("aliases" = ["template_kwargs", "variables"]))]
    pub chat_template_kwargs: Map<String, Value>,
    /// What to do with a conversation that leaves no room for a reply.
    #[schemars(extend("callable" = true))]
    pub overflow: Overflow,
    /// How the model thinks.
    #[schemars(extend("tsType" = "{ max_tokens?: number | null } | null"))]
    pub reasoning: Option<Reasoning>,
}

/// How a model thinks.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Reasoning {
    /// The longest thought, in tokens: then it is ended by the model's own closing tag, and the reply begins. By default
    /// the model ends it.
    pub max_tokens: Option<u32>,
}

/// `error` refuses it; `trim` drops the oldest turns, and the reply tells which; `shift` drops more of them less often, and what was
/// computed of those that stay is moved instead of read again, though it remembers those that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// Refuse it.
    #[default]
    Error,
    /// Leave out the oldest turns.
    Trim,
    /// The same, a quarter of the context at a time, and go on with what was read of the rest.
    Shift,
}

/// What is accepted and ignored, so that a request that was written for another service need not be changed.
#[derive(Clone, Debug, Default, JsonSchema)]
#[serde(default)]
pub struct Ignored {
    /// Accepted and ignored: the loaded model answers.
    pub model: Option<String>,
    /// Accepted and ignored: users are not told apart.
    pub user: Option<String>,
    /// Accepted and ignored: users are not told apart.
    #[schemars(extend("tsType" = "string | null"))]
    pub safety_identifier: Option<String>,
    /// Accepted and ignored: answers are not stored.
    #[schemars(extend("tsType" = "boolean | null"))]
    pub store: Option<bool>,
    /// Accepted and ignored: answers are not stored.
    #[schemars(extend("tsType" = "{ [key: string]: string } | null"))]
    pub metadata: Option<Map<String, Value>>,
    /// Accepted and ignored: there is one level of service.
    #[schemars(with = "String", extend("tsType" = "\"auto\" | \"default\" | \"flex\" | \"scale\" | \"priority\" | null"))]
    pub service_tier: Option<String>,
    /// Accepted and ignored: what was computed of an earlier prompt is found without a key.
    #[schemars(extend("tsType" = "string | null"))]
    pub prompt_cache_key: Option<String>,
    /// Accepted and ignored: the cache keeps what it has room for.
    #[schemars(with = "String", extend("tsType" = "\"in_memory\" | \"24h\" | null"))]
    pub prompt_cache_retention: Option<String>,
}

/// Members of OpenAI's requests that are taken where they ask for nothing, and refused where they ask for something.
#[derive(Clone, Debug, Default, JsonSchema)]
#[serde(default)]
#[allow(dead_code, reason = "only its schema is used")]
pub struct InertChat {
    /// Accepted as `["text"]`: models here write nothing else.
    #[schemars(with = "Vec<Text>", extend("tsType" = "(\"text\" | \"audio\")[] | null"))]
    modalities: (),
    /// Accepted as `"medium"`, which is what it is.
    #[schemars(with = "Medium", extend("tsType" = "\"low\" | \"medium\" | \"high\" | null"))]
    verbosity: (),
    /// Accepted as `null`: replies are not predicted.
    #[schemars(with = "Nothing", extend("tsType" = "{ type: \"content\"; content: string | TextPart[] } | null"))]
    prediction: (),
    /// Accepted as `null`: models here do not speak.
    #[schemars(
        with = "Nothing",
        extend("tsType" = "{ format: \"wav\" | \"aac\" | \"mp3\" | \"flac\" | \"opus\" | \"pcm16\"; voice: string | { id: string } } | null")
    )]
    audio: (),
}

/// As [`InertChat`], of completions.
#[derive(Clone, Debug, Default, JsonSchema)]
#[serde(default)]
#[allow(dead_code, reason = "only its schema is used")]
pub struct InertCompletion {
    /// Accepted as 1: every reply is given; `n` makes several.
    #[schemars(with = "u32", range(min = 1, max = 1), extend("tsType" = "number | null"))]
    best_of: (),
    /// Accepted as `null`: texts go on, nothing is put between two of them.
    #[schemars(with = "Nothing", extend("tsType" = "string | null"))]
    suffix: (),
}

/// Their values were checked before, and say nothing.
macro_rules! unread {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Ok(Self::default())
            }
        }
    )*};
}
unread!(Ignored, InertChat, InertCompletion);

/// What a streamed reply tells beside its text.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct StreamOptions {
    /// One more chunk at the end, with no choices, has the usage.
    pub include_usage: bool,
    /// Accepted and ignored: it hides the length of chunks on a network, and there is none here.
    pub include_obfuscation: bool,
}

/// How long a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// As it was trained to.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as it can.
    Max,
}

impl ReasoningEffort {
    /// As templates read it.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasoningEffort::None => "none",
            ReasoningEffort::Minimal => "minimal",
            ReasoningEffort::Low => "low",
            ReasoningEffort::Medium => "medium",
            ReasoningEffort::High => "high",
            ReasoningEffort::Xhigh => "xhigh",
            ReasoningEffort::Max => "max",
        }
    }
}

/// A prompt of a completion.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PromptShape {
    /// A text.
    Text(String),
    /// Token ids.
    Ids(Vec<u32>),
    /// Texts.
    Texts(Vec<String>),
    /// Lists of ids.
    Lists(Vec<Vec<u32>>),
}

/// As the check sees it: what is inside of a list is read as a prompt is.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum PromptSchema {
    Text(String),
    List(Vec<Value>),
}

/// A tool, as the check sees it.
#[derive(JsonSchema)]
#[schemars(inline, extend("shape" = "{type: \"function\", function: {name, description, parameters}}"))]
#[allow(dead_code, reason = "only its schema is used")]
struct Tool {
    r#type: ToolType,
    function: ToolFunction,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum ToolType {
    Function,
}

#[derive(JsonSchema)]
#[schemars(inline, extend("shape" = "{name, description, parameters}"))]
#[allow(dead_code, reason = "only its schema is used")]
struct ToolFunction {
    name: String,
    description: Option<String>,
    parameters: Option<Map<String, Value>>,
    strict: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum Text {
    Text,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum Medium {
    Medium,
}

/// No value but `null`.
struct Nothing;

impl JsonSchema for Nothing {
    fn schema_name() -> Cow<'static, str> {
        "Nothing".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": []})
    }
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum ToolChoice {
    Mode(ToolMode),
    Named(NamedTool),
}

/// What it is of the types of OpenAI's API is told where it is read.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("shape" = "{type: \"function\", function: {name}}"))]
#[allow(dead_code, reason = "only its schema is used")]
struct NamedTool(Map<String, Value>);

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum ToolMode {
    None,
    Auto,
    Required,
}

#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[allow(dead_code, reason = "only its schema is used")]
struct Bias(#[schemars(range(min = -100, max = 100))] f32);
