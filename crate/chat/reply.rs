//! What a request is answered with, in OpenAI's shapes. What is Sotto's own is optional and says so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::parse::Delta;
use crate::run::session;

/// Facts that every piece of an answer repeats.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Head {
    /// The answer's id.
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
    /// Tells this shape from others.
    #[schemars(extend("tsType" = "\"chat.completion\""))]
    pub object: &'static str,
    /// What every chunk repeats.
    #[serde(flatten)]
    pub head: Head,
    /// The replies: `n` of them.
    pub choices: Vec<ChatChoice>,
    /// The tokens that the request took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
    /// Sotto's own: the places of the request's messages that were left out (`overflow`: `"trim"` or `"shift"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Vec<usize>>,
}

/// A piece of a streamed chat.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatCompletionChunk {
    /// Tells this shape from others.
    #[schemars(extend("tsType" = "\"chat.completion.chunk\""))]
    pub object: &'static str,
    /// What every chunk repeats.
    #[serde(flatten)]
    pub head: Head,
    /// One; empty in the last chunk where `stream_options.include_usage` asks for the usage.
    pub choices: Vec<ChunkChoice>,
    /// The tokens that the request took.
    #[schemars(with = "Value", extend("tsType" = "CompletionUsage | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
    /// Sotto's own, in the first chunk: the places of the request's messages that were left out (`overflow`: `"trim"` or `"shift"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Vec<usize>>,
    /// Sotto's own: so many of the oldest tokens have left the context since the chunk before (`overflow: "shift"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shifted: Option<usize>,
}

/// One reply.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatChoice {
    /// Its place, from 0.
    pub index: u32,
    /// The assistant's message.
    pub message: ChatReplyMessage,
    /// The probabilities of its tokens, where `logprobs` asks for them.
    #[schemars(with = "Value", extend("tsType" = "ChoiceLogprobs | null"))]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub finish_reason: Finish,
    /// Sotto's own: which limit ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// What a chunk adds to one reply.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChunkChoice {
    /// Its place, from 0.
    pub index: u32,
    /// What it adds to the message.
    pub delta: ChunkDelta,
    /// The probabilities of its tokens, where `logprobs` asks for them.
    #[schemars(with = "Value", extend("tsType" = "ChoiceLogprobs | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended; `null` before that.
    #[schemars(with = "Value", extend("tsType" = "ChatFinishReason | null"))]
    pub finish_reason: Option<Finish>,
    /// Sotto's own: which limit ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// The assistant's message, fit to be sent back.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChatReplyMessage {
    /// Always the assistant's.
    #[schemars(extend("tsType" = "\"assistant\""))]
    pub role: &'static str,
    /// Its text; `null` where there are only calls.
    #[schemars(extend("tsType" = "string | null"), required)]
    pub content: Option<String>,
    /// Always `null`: what a model refuses, it says in its text.
    #[schemars(extend("tsType" = "string | null"), required)]
    pub refusal: Option<String>,
    /// Not OpenAI's: what the model thought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tools that it calls.
    #[schemars(with = "Vec<Value>", extend("tsType" = "ChatToolCall[]"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ToolCall {
    /// The call's id; its result is sent back with it.
    pub id: String,
    /// Always that of a function.
    #[schemars(extend("tsType" = "\"function\""))]
    pub r#type: &'static str,
    /// The function, and its arguments.
    pub function: CalledFunction,
}

/// A function of a call.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CalledFunction {
    /// Its name.
    pub name: String,
    /// Its arguments: a text of JSON.
    pub arguments: String,
}

/// What a chunk adds to a message; the first has the role.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ChunkDelta {
    /// The assistant's, in the first chunk.
    #[schemars(extend("tsType" = "\"developer\" | \"system\" | \"user\" | \"assistant\" | \"tool\""))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// More of its text.
    #[schemars(extend("tsType" = "string | null"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Not OpenAI's: what the model thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of the tools that it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

/// What a chunk adds to a call; the call's first has id and name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ToolCallDelta {
    /// Its place, from 0.
    pub index: u32,
    /// The call's id; its result is sent back with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Always that of a function.
    #[schemars(extend("tsType" = "\"function\""))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    /// What the chunk adds to the function and its arguments.
    #[schemars(extend("optional" = true))]
    pub function: CalledFunctionDelta,
}

/// What a chunk adds to the function of a call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CalledFunctionDelta {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the text of JSON.
    #[schemars(with = "String", extend("tsType" = "string", "optional" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

/// Why a reply ended. `length`: the limit that was set, or a full context; `finish_details` tells which. `abort`: the
/// caller stopped it, and asked for what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ChatFinishReason", extend("tsType" = FINISH))]
pub enum Finish {
    /// The model ended it, or a stop text came.
    Stop,
    /// A limit was reached.
    Length,
    /// It calls tools.
    ToolCalls,
    /// The caller stopped it.
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
    /// The limit.
    pub r#type: Limit,
}

/// `max_tokens`: the one that the request sets; `context_full`: prompt and reply fill the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Limit {
    /// The request's.
    MaxTokens,
    /// The context.
    ContextFull,
}

/// What a request took, all its replies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompletionUsage {
    /// Tokens of the prompt, counted once.
    pub prompt_tokens: usize,
    /// Tokens of the replies, those that ended them included.
    pub completion_tokens: usize,
    /// The sum of both.
    pub total_tokens: usize,
    /// How many of them were of a kind.
    #[schemars(extend("optional" = true))]
    pub prompt_tokens_details: PromptTokensDetails,
    /// How many of them were of a kind.
    #[schemars(extend("optional" = true))]
    pub completion_tokens_details: CompletionTokensDetails,
    /// Sotto's own: tokens that left the context while the replies were written (`overflow: "shift"`), where some did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shifted_tokens: Option<usize>,
}

/// What a prompt's tokens were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PromptTokensDetails {
    /// Those whose keys and values were there from before.
    #[schemars(extend("optional" = true))]
    pub cached_tokens: usize,
}

/// What a reply's tokens were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompletionTokensDetails {
    /// Those of `reasoning_content`: the tags around it are none of them, whether the model wrote them or a limit did.
    #[schemars(extend("optional" = true))]
    pub reasoning_tokens: usize,
    /// Those that were guessed and right (`speculate`): each is a pass of the model less.
    #[schemars(extend("optional" = true))]
    pub accepted_prediction_tokens: usize,
    /// Guesses that were wrong: none of them is in a reply.
    #[schemars(extend("optional" = true))]
    pub rejected_prediction_tokens: usize,
}

/// The probabilities of a reply's tokens, by the model's own logits: no temperature, no bias, no penalty, no cut.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChoiceLogprobs {
    /// Of each token of the text.
    #[schemars(with = "Vec<TokenLogprob>", extend("tsType" = "TokenLogprob[] | null"))]
    pub content: Vec<TokenLogprob>,
    /// Always `null`.
    #[schemars(extend("tsType" = "TokenLogprob[] | null"), required)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// How likely a token was.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TokenLogprob {
    /// The one that was chosen.
    #[serde(flatten)]
    pub token: TopLogprob,
    /// The likeliest, as many as were asked for.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A token, and how likely it was.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TopLogprob {
    /// Its text; half a character is U+FFFD.
    pub token: String,
    /// Its bytes.
    #[schemars(with = "Vec<u8>", extend("tsType" = "number[] | null"))]
    pub bytes: Vec<u8>,
    /// Its natural logarithm.
    pub logprob: f64,
}

/// The answer of `completions.create`, whole or a piece of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Completion {
    /// Tells this shape from others.
    #[schemars(extend("tsType" = "\"text_completion\""))]
    pub object: &'static str,
    /// What every chunk repeats.
    #[serde(flatten)]
    pub head: Head,
    /// The replies: `n` of them.
    pub choices: Vec<CompletionChoice>,
    /// The tokens that the request took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<CompletionUsage>,
}

/// One reply, or a piece of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CompletionChoice {
    /// Its place, from 0.
    pub index: u32,
    /// What was written.
    pub text: String,
    /// The probabilities of its tokens, where `logprobs` asks for them.
    #[schemars(with = "Value", extend("tsType" = "CompletionLogprobs | null"))]
    pub logprobs: Option<CompletionLogprobs>,
    /// `null` in all pieces of a streamed reply but its last.
    #[schemars(with = "Value", extend("tsType" = "\"stop\" | \"length\" | \"content_filter\""))]
    pub finish_reason: Option<Finish>,
    /// Sotto's own: which limit ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_details: Option<FinishDetails>,
}

/// Each list has a place for each token of the reply.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CompletionLogprobs {
    /// Their texts; `bytes:\\xe2` is a part of a character.
    #[schemars(extend("optional" = true))]
    pub tokens: Vec<String>,
    /// The logarithms of their probabilities.
    #[schemars(extend("optional" = true))]
    pub token_logprobs: Vec<f64>,
    /// The likeliest, by their texts.
    #[schemars(extend("optional" = true))]
    pub top_logprobs: Vec<BTreeMap<String, f64>>,
    /// Where each begins in the text, in UTF-16 units.
    #[schemars(extend("optional" = true))]
    pub text_offset: Vec<usize>,
}

impl ChoiceLogprobs {
    /// Of these tokens.
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

    /// More of it.
    pub fn add(&mut self, delta: &Delta) {
        match delta {
            Delta::Content(text) => self.content.get_or_insert_default().push_str(text),
            Delta::Reasoning(text) => self.reasoning_content.get_or_insert_default().push_str(text),
            Delta::Call { index, id, name, arguments } => {
                let empty = || ToolCall { r#type: "function", ..Default::default() };
                self.tool_calls.resize_with(self.tool_calls.len().max(index + 1), empty);
                let call = &mut self.tool_calls[*index];
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
            Delta::Call { index, id, name, arguments } => {
                let r#type = name.is_some().then_some("function");
                let arguments = Some(arguments).filter(|text| name.is_some() || !text.is_empty());
                let call = ToolCallDelta {
                    index: index as u32,
                    id,
                    r#type,
                    function: CalledFunctionDelta { name, arguments },
                };
                ChunkDelta { tool_calls: Some(vec![call]), ..Default::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(index: usize, name: Option<&str>, arguments: &str) -> Delta {
        let id = name.map(|name| format!("{name}-{index}"));
        Delta::Call { index, id, name: name.map(str::to_string), arguments: arguments.into() }
    }

    #[test]
    fn pieces_make_up_a_message() {
        let mut message = ChatReplyMessage::new();
        let deltas = [
            Delta::Reasoning("Which ".into()),
            Delta::Reasoning("city?".into()),
            call(0, Some("weather"), "{\"city\":"),
            call(0, None, "\"Paris\"}"),
            call(1, Some("now"), "{}"),
        ];
        deltas.iter().for_each(|delta| message.add(delta));
        let calls = json!([
            { "id": "weather-0", "type": "function",
              "function": { "name": "weather", "arguments": "{\"city\":\"Paris\"}" } },
            { "id": "now-1", "type": "function", "function": { "name": "now", "arguments": "{}" } },
        ]);
        let want = json!({ "role": "assistant", "content": null, "refusal": null,
            "reasoning_content": "Which city?", "tool_calls": calls });
        assert_eq!(json!(message.finished()), want);
        let empty = json!({ "role": "assistant", "content": "", "refusal": null });
        assert_eq!(json!(ChatReplyMessage::new().finished()), empty);
    }

    #[test]
    fn pieces_are_streamed_as_the_api_does() {
        let delta = |delta: Delta| json!(ChunkDelta::from(delta));
        assert_eq!(delta(Delta::Content("Hi".into())), json!({ "content": "Hi" }));
        assert_eq!(delta(Delta::Reasoning("Hm".into())), json!({ "reasoning_content": "Hm" }));
        let first = json!({ "tool_calls": [
            { "index": 1, "id": "now-1", "type": "function", "function": { "name": "now", "arguments": "" } }] });
        assert_eq!(delta(call(1, Some("now"), "")), first);
        let more = json!({ "tool_calls": [{ "index": 1, "function": { "arguments": "{}" } }] });
        assert_eq!(delta(call(1, None, "{}")), more);
    }

    #[test]
    fn a_reply_that_calls_ends_with_its_calls() {
        use session::FinishReason::{Abort, Length, Stop};
        let of = |reason| [Finish::of(reason, false), Finish::of(reason, true)];
        assert_eq!(of(Stop), [Finish::Stop, Finish::ToolCalls]);
        assert_eq!(of(Length), [Finish::Length; 2]);
        assert_eq!(of(Abort), [Finish::Abort; 2]);
    }
}
