//! What a request is answered with, in OpenAI's shapes. What is Sotto's own is optional and says so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::parse::{CallDelta, Delta};
use crate::run::session;

/// Facts that every piece of an answer repeats.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Head {
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The loaded model's name.
    pub model: String,
    /// The version of Sotto.
    #[schemars(extend("tsType" = "string"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
}

/// The answer of a chat.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatCompletion {
    #[schemars(extend("tsType" = "\"chat.completion\""))]
    pub object: &'static str,
    #[serde(flatten)]
    pub head: Head,
    pub choices: Vec<ChatChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
    /// Sotto's own: the places of the request's messages that were left out (`overflow: "trim"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Vec<usize>>,
}

/// A piece of a streamed chat.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatCompletionChunk {
    #[schemars(extend("tsType" = "\"chat.completion.chunk\""))]
    pub object: &'static str,
    #[serde(flatten)]
    pub head: Head,
    /// None in the last chunk, where that has the usage.
    pub choices: Vec<ChunkChoice>,
    #[schemars(with = "Value", extend("tsType" = "CompletionUsage | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
    /// Sotto's own, in the first chunk: the places of the request's messages that were left out (`overflow: "trim"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Vec<usize>>,
}

/// One reply.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatChoice {
    pub index: u32,
    pub message: ChatReplyMessage,
    #[schemars(with = "Value", extend("tsType" = "ChoiceLogprobs | null"))]
    pub logprobs: Option<ChoiceLogprobs>,
    pub finish_reason: Finish,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// What one reply has more.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChunkChoice {
    pub index: u32,
    pub delta: ChunkDelta,
    #[schemars(with = "Value", extend("tsType" = "ChoiceLogprobs | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    #[schemars(with = "Value", extend("tsType" = "ChatFinishReason | null"))]
    pub finish_reason: Option<Finish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// The assistant's message, fit to be sent back.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatReplyMessage {
    #[schemars(extend("tsType" = "\"assistant\""))]
    pub role: &'static str,
    /// `null` where there are calls alone.
    #[schemars(extend("tsType" = "string | null"), required)]
    pub content: Option<String>,
    /// Never: a model here does not refuse apart from its text.
    #[schemars(extend("tsType" = "string | null"), required)]
    pub refusal: Option<String>,
    /// Not OpenAI's: what the model thought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[schemars(with = "Vec<Value>", extend("tsType" = "ChatToolCall[]"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ToolCall {
    pub id: String,
    #[schemars(extend("tsType" = "\"function\""))]
    pub r#type: &'static str,
    pub function: CalledFunction,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CalledFunction {
    pub name: String,
    /// JSON.
    pub arguments: String,
}

/// What a message has more; the first has the role.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ChunkDelta {
    #[schemars(extend("tsType" = "\"developer\" | \"system\" | \"user\" | \"assistant\" | \"tool\""))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[schemars(extend("tsType" = "string | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Not OpenAI's: what the model thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

/// More of a call; its first piece has id and name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ToolCallDelta {
    pub index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[schemars(extend("tsType" = "\"function\""))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    #[schemars(extend("optional" = true))]
    pub function: CalledFunctionDelta,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CalledFunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[schemars(extend("tsType" = "string"))]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arguments: String,
}

/// Why a reply ended. `length`: the limit that was set, or a full context; `finish_details` tells which. `abort`: the
/// caller stopped it, and asked for what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ChatFinishReason", extend("tsType" = FINISH))]
pub enum Finish {
    Stop,
    Length,
    ToolCalls,
    Abort,
}

/// OpenAI's names: `abort` is in the types of calls that ask for it alone, and the last two are never given here.
const FINISH: &str = "\"stop\" | \"length\" | \"tool_calls\" | \"content_filter\" | \"function_call\"";

impl Finish {
    /// `calls`: whether the reply called a tool.
    pub fn of(reason: session::FinishReason, calls: bool) -> Finish {
        match reason {
            session::FinishReason::Stop if calls => Finish::ToolCalls,
            session::FinishReason::Stop => Finish::Stop,
            session::FinishReason::Length => Finish::Length,
            session::FinishReason::Abort => Finish::Abort,
        }
    }
}

/// Sotto's own: which limit ended a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FinishDetails {
    pub r#type: Limit,
}

/// `max_tokens`: the one that the request sets; `context_full`: prompt and reply fill the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Limit {
    MaxTokens,
    ContextFull,
}

/// What a request took, all its replies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompletionUsage {
    pub prompt_tokens: usize,
    /// Those of the replies, the ones that ended them included.
    pub completion_tokens: usize,
    pub total_tokens: usize,
    #[schemars(extend("optional" = true))]
    pub prompt_tokens_details: PromptTokensDetails,
    #[schemars(extend("optional" = true))]
    pub completion_tokens_details: CompletionTokensDetails,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PromptTokensDetails {
    /// Those whose keys and values were there from before.
    #[schemars(extend("optional" = true))]
    pub cached_tokens: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompletionTokensDetails {
    /// Those of `reasoning_content`.
    #[schemars(extend("optional" = true))]
    pub reasoning_tokens: usize,
}

/// The probabilities of a reply's tokens, by the model's own logits: no temperature, no bias, no penalty, no cut.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChoiceLogprobs {
    #[schemars(with = "Vec<TokenLogprob>", extend("tsType" = "TokenLogprob[] | null"))]
    pub content: Vec<TokenLogprob>,
    #[schemars(extend("tsType" = "TokenLogprob[] | null"), required)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TokenLogprob {
    #[serde(flatten)]
    pub token: TopLogprob,
    /// The likeliest, as many as were asked for.
    pub top_logprobs: Vec<TopLogprob>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TopLogprob {
    /// Its text; half a character is U+FFFD.
    pub token: String,
    #[schemars(with = "Vec<u8>", extend("tsType" = "number[] | null"))]
    pub bytes: Vec<u8>,
    /// Its natural logarithm.
    pub logprob: f64,
}

/// The answer of `completions.create`, whole or a piece of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Completion {
    #[schemars(extend("tsType" = "\"text_completion\""))]
    pub object: &'static str,
    #[serde(flatten)]
    pub head: Head,
    pub choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CompletionChoice {
    pub index: u32,
    pub text: String,
    #[schemars(with = "Value", extend("tsType" = "CompletionLogprobs | null"))]
    pub logprobs: Option<CompletionLogprobs>,
    /// `null` in all pieces of a streamed reply but its last.
    #[schemars(with = "Value", extend("tsType" = "\"stop\" | \"length\" | \"content_filter\""))]
    pub finish_reason: Option<Finish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// Each list has a place for each token of the reply.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CompletionLogprobs {
    #[schemars(extend("optional" = true))]
    pub tokens: Vec<String>,
    #[schemars(extend("optional" = true))]
    pub token_logprobs: Vec<f64>,
    #[schemars(extend("optional" = true))]
    pub top_logprobs: Vec<BTreeMap<String, f64>>,
    /// Where each begins in the text, in UTF-16 units.
    #[schemars(extend("optional" = true))]
    pub text_offset: Vec<usize>,
}

impl ChoiceLogprobs {
    pub fn of(content: Vec<TokenLogprob>) -> Self {
        ChoiceLogprobs { content, refusal: None }
    }
}

impl ChatReplyMessage {
    /// An empty one, for [`ChatReplyMessage::add`].
    pub fn new() -> Self {
        ChatReplyMessage {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
        }
    }

    pub fn add(&mut self, delta: &Delta) {
        match delta {
            Delta::Content(text) => self.content.get_or_insert_default().push_str(text),
            Delta::Reasoning(text) => self.reasoning_content.get_or_insert_default().push_str(text),
            Delta::Call(CallDelta { index, id, name, arguments }) => {
                let empty = || ToolCall { r#type: "function", ..Default::default() };
                let length = self.tool_calls.len().max(*index as usize + 1);
                self.tool_calls.resize_with(length, empty);
                let call = &mut self.tool_calls[*index as usize];
                call.id.push_str(id.as_deref().unwrap_or_default());
                call.function.name.push_str(name.as_deref().unwrap_or_default());
                call.function.arguments.push_str(arguments);
            }
        }
    }

    /// With nothing said and nothing called, the content is empty text.
    pub fn finished(mut self) -> Self {
        if self.content.is_none() && self.tool_calls.is_empty() {
            self.content = Some(String::new());
        }
        self
    }
}

impl Default for ChatReplyMessage {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Delta> for ChunkDelta {
    fn from(delta: Delta) -> Self {
        match delta {
            Delta::Content(text) => ChunkDelta { content: Some(text), ..Default::default() },
            Delta::Reasoning(text) => ChunkDelta { reasoning_content: Some(text), ..Default::default() },
            Delta::Call(CallDelta { index, id, name, arguments }) => {
                let r#type = id.is_some().then_some("function");
                let call = ToolCallDelta { index, id, r#type, function: CalledFunctionDelta { name, arguments } };
                ChunkDelta { tool_calls: Some(vec![call]), ..Default::default() }
            }
        }
    }
}
