//! What a reply is asked for with.

use crate::run::adapters::Wanted;
use crate::run::sampler::SamplingParams;
use crate::run::schedule::Schedule;
use crate::run::speculate::Speculate;

/// How a reply is made.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// `None`: until the context is full; where it shifts, until the model ends it.
    pub max_tokens: Option<u32>,
    /// Texts that end it; they are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end it, beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Go on past end-of-text tokens (for timing).
    pub ignore_eos: bool,
    /// Do not reuse what an earlier prompt left in the cache.
    pub fresh: bool,
    /// Where the context is full, the oldest tokens leave it for those that come.
    pub shifts: bool,
    /// Tokens of the prompt's beginning that stay then.
    pub keeps: usize,
    /// Of the prompt something was left out that an earlier one had: keys that are at other positions there are rotated to where
    /// they stand in this one, though they remember what is not in it.
    pub cut: bool,
    /// Tell how likely each token was, and so many of the likeliest; then one is computed at a time.
    pub logprobs: Option<u32>,
    /// Control tokens are part of the text, as the file writes them.
    pub keep_special: bool,
    /// What is read stays in the cache as long as there is room without it, and texts that begin so take a copy.
    pub primes: bool,
    /// Whether several tokens may come of one pass, by guesses; it changes no reply.
    pub speculate: Speculate,
    /// Tokens that were sampled for it on an engine that is gone: they are taken again instead of computed, and the reply goes
    /// on behind them.
    pub past: Vec<u32>,
    /// The adapters that it is read and written with, by name, and how much of each.
    pub adapter: Wanted,
    /// Whether it may wait for others' prompts.
    pub schedule: Schedule,
    /// Those of a lower one have cells, and their prompts read, before it; among equals those that came first.
    pub priority: i32,
    /// Another reply to the same prompt counts its tokens.
    pub again: bool,
}
