//! What a reply took.

use schemars::JsonSchema;
use serde::Serialize;

/// Times in milliseconds, rates in tokens per second; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// From the request to the first token.
    pub ttft_ms: f64,
    /// From the request until the prompt was read.
    pub prefill_ms: f64,
    /// Prompt tokens per second, those that were computed.
    pub prefill_tps: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// Tokens per second after the first.
    pub decode_tps: f64,
    /// Prompt tokens whose keys and values were still there from before.
    pub cached_tokens: usize,
    /// Tokens of the reply that were guessed and computed beside others.
    pub drafted_tokens: usize,
    /// Of those, the ones that were right: each is a pass less.
    pub accepted_tokens: usize,
    /// Tokens of prompt and reply that left the context while the reply was written (`overflow: "shift"`).
    pub shifted_tokens: usize,
}

/// Tokens per second; 0 where no time was measured.
pub(super) fn rate(tokens: usize, ms: f64) -> f64 {
    if ms > 0.0 { tokens as f64 / ms * 1e3 } else { 0.0 }
}
