//! Picks the next token from the logits, on the GPU. The order is llama.cpp's: softcap, bias, penalties, then top-k,
//! top-p and min-p narrow the choice, then temperature and the draw.
//!
//! Two dispatches where the best token is taken, four where one is drawn (`shaders/sample/*.wgsl`). Options, penalties'
//! counts, step and position lie in buffers that are written once a generation and then kept by the kernels, so the
//! recordings never change.

use std::mem::offset_of;
use std::ops::RangeInclusive;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::file::Metadata;
use crate::kernels::sample::{BINS, CUT_WORDS, LIST_WORDS};
use crate::kernels::table::choices::{Bins, Digit};
use crate::kernels::table::sample_scan::{Options, Params};
use crate::kernels::table::sample_take::State;
use crate::kernels::table::{sample_bins, sample_gather, sample_pick, sample_scan, sample_take};
use crate::model::forward::Model;

/// What each parameter may be.
pub mod range {
    use std::ops::RangeInclusive;

    /// What `temperature` may be.
    pub const TEMPERATURE: RangeInclusive<f64> = 0.0..=100.0;
    /// What `top_p` may be.
    pub const TOP_P: RangeInclusive<f64> = 0.0..=1.0;
    /// What `min_p` may be.
    pub const MIN_P: RangeInclusive<f64> = 0.0..=1.0;
    /// What `repeat_penalty` may be.
    pub const REPEAT_PENALTY: RangeInclusive<f64> = 0.01..=100.0;
    /// What `presence_penalty` may be.
    pub const PRESENCE_PENALTY: RangeInclusive<f64> = -100.0..=100.0;
    /// What `frequency_penalty` may be.
    pub const FREQUENCY_PENALTY: RangeInclusive<f64> = -100.0..=100.0;
}

/// The token that a key of a bias names: each id is written in one way, so that no two keys are of one token.
pub fn token_id(key: &str) -> Option<u32> {
    key.parse().ok().filter(|id: &u32| id.to_string() == key)
}

/// How to pick. The default is greedy; [`SamplingParams::chat`] is the default of chats.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the best token always.
    pub temperature: f32,
    /// Only the k best tokens; 0 for all.
    pub top_k: u32,
    /// Only the best tokens that reach this probability together; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this likely compared with the best; 0 for all.
    pub min_p: f32,
    /// Divides (multiplies, below zero) the logits of recent tokens; 1 for none.
    pub repeat_penalty: f32,
    /// How many of the last tokens the penalties look at, the prompt's included.
    pub repeat_last_n: u32,
    /// Subtracted once from each recent token's logit.
    pub presence_penalty: f32,
    /// Subtracted from a recent token's logit for each time it occurred.
    pub frequency_penalty: f32,
    /// Added to these tokens' logits; `-inf` bans a token.
    pub logit_bias: Vec<(u32, f32)>,
    /// Says every draw: the same seed gives the same tokens.
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

impl SamplingParams {
    /// llama.cpp's defaults for chats.
    pub fn chat() -> Self {
        SamplingParams { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, ..Self::default() }
    }

    /// The same, but for what a file recommends: its keys `general.sampling.…`, as llama.cpp reads them. What they say of other
    /// samplers is not read, nor what is no number or out of range.
    pub fn of_file(metadata: &Metadata) -> Self {
        let number = |key: &str, range: RangeInclusive<f64>| {
            let number = metadata.f32(&format!("general.sampling.{key}")).ok().flatten();
            number.filter(|number| range.contains(&f64::from(*number)))
        };
        let chat = Self::chat();
        // At or below 0 it is greedy.
        let temperature = number("temp", f64::MIN..=*range::TEMPERATURE.end()).map(|number| number.max(0.0));
        // At or below 0: all.
        let count = |number: f32| number.max(0.0) as u32;
        // Below 0: the whole context.
        let window = |number: f32| if number < 0.0 { u32::MAX } else { number as u32 };
        SamplingParams {
            temperature: temperature.unwrap_or(chat.temperature),
            top_k: number("top_k", f64::MIN..=f64::MAX).map_or(chat.top_k, count),
            top_p: number("top_p", range::TOP_P).unwrap_or(chat.top_p),
            min_p: number("min_p", range::MIN_P).unwrap_or(chat.min_p),
            repeat_penalty: number("penalty_repeat", range::REPEAT_PENALTY).unwrap_or(chat.repeat_penalty),
            repeat_last_n: number("penalty_last_n", f64::MIN..=f64::MAX).map_or(chat.repeat_last_n, window),
            ..chat
        }
    }

    /// Errors: `BadOption` with the option's name and range. `n_vocab` bounds the biased ids.
    pub fn validate(&self, n_vocab: usize) -> Result<()> {
        let ranges = [
            ("temperature", self.temperature, range::TEMPERATURE),
            ("topP", self.top_p, range::TOP_P),
            ("minP", self.min_p, range::MIN_P),
            ("repeatPenalty", self.repeat_penalty, range::REPEAT_PENALTY),
            ("presencePenalty", self.presence_penalty, range::PRESENCE_PENALTY),
            ("frequencyPenalty", self.frequency_penalty, range::FREQUENCY_PENALTY),
        ];
        for (name, value, range) in ranges {
            let (low, high) = (*range.start(), *range.end());
            if !(low as f32..=high as f32).contains(&value) {
                bail!(BadOption, "{name} is {value}; give a number from {low} to {high}");
            }
        }
        for (id, bias) in &self.logit_bias {
            if *id as usize >= n_vocab {
                bail!(
                    BadOption,
                    "A logit bias names token {id}, but the vocabulary has {n_vocab} tokens; give ids below that."
                );
            }
            if bias.is_nan() || *bias == f32::INFINITY {
                bail!(
                    BadOption,
                    "The logit bias of token {id} is {bias}; give a number, or -Infinity to ban the token."
                );
            }
        }
        Ok(())
    }

    /// Whether tokens that were there before change their logits.
    pub fn has_penalties(&self) -> bool {
        let neutral = self.repeat_penalty == 1.0 && self.presence_penalty == 0.0 && self.frequency_penalty == 0.0;
        self.repeat_last_n > 0 && !neutral
    }
}

/// Which kernels a choice takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The best raw logit.
    Greedy,
    /// The best logit with biases and penalties.
    Adjusted,
    /// A draw.
    Draw,
}

impl Mode {
    /// Every mode, the cheapest first.
    pub const ALL: [Mode; 3] = [Mode::Greedy, Mode::Adjusted, Mode::Draw];

    /// The one that does the same under a mask.
    pub fn under(self, masked: bool) -> Mode {
        if masked && self == Mode::Greedy { Mode::Adjusted } else { self }
    }
}

impl SamplingParams {
    /// The cheapest mode that does all that is asked for.
    pub fn mode(&self) -> Mode {
        match () {
            _ if self.temperature > 0.0 => Mode::Draw,
            _ if self.logit_bias.is_empty() && !self.has_penalties() => Mode::Greedy,
            _ => Mode::Adjusted,
        }
    }
}

/// What sampling works on.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Tokens of the vocabulary.
    pub n_vocab: u32,
    /// Positions of a sequence.
    pub context: u32,
    /// Logits become `cap * tanh(logit / cap)` first.
    pub softcap: Option<f32>,
    /// [n_vocab], read.
    pub logits: BufferId,
    /// Its first row, (token, position, table, …), becomes the next step's.
    pub batch: BufferId,
    /// Whether tokens are counted in much shared memory, which software adapters take seconds to compile.
    pub shared: bool,
}

impl Shape {
    /// Of what this model computes.
    pub fn of(model: &Model) -> Shape {
        Shape {
            n_vocab: model.net.n_vocab,
            context: model.sizes.context,
            softcap: model.net.final_logit_softcap,
            logits: model.logits_buffer(),
            batch: model.batch_buffer(),
            shared: model.choice.counts_in_shared_memory(),
        }
    }
}

/// What ends a generation, and where it starts.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The word of the batch at which the table of the sequence's cells begins.
    pub table: u32,
    /// Tokens that end it.
    pub stops: Vec<u32>,
    /// Tokens, the prompt's included, after which it is over.
    pub limit: u32,
    /// Whether each token's logits are to be read before those of the next are computed.
    pub alone: bool,
    /// Of the tokens that it starts after, so many are the reply's: the next draw is this one's.
    pub step: u32,
    /// Whether only what a mask allows may be chosen ([`Sampler::mask`]).
    pub masked: bool,
}

/// The buffers of sampling.
pub struct Sampler {
    shape: Shape,
    options: BufferId,
    /// Result, step and position, and the tokens by position: [`State`], then [context + 1].
    state: BufferId,
    /// (bias, count in the window) per token.
    adjust: BufferId,
    /// The logits as softcap, biases and penalties change them.
    values: BufferId,
    partials: BufferId,
    bins: BufferId,
    list: BufferId,
    draws: BufferId,
}

impl Sampler {
    /// Its buffers. `OutOfMemory` where there is no room for them.
    pub fn place(shape: Shape, memory: &mut dyn Memory) -> Result<Self> {
        let n = shape.n_vocab as u64;
        let mut words = |label: &str, count: u64| memory.alloc(label, count * 4);
        Ok(Sampler {
            options: words("sampling options", size_of::<Options>() as u64 / 4 + 2 * n.div_ceil(32))?,
            state: words("sampling state", size_of::<State>() as u64 / 4 + shape.context as u64 + 1)?,
            adjust: words("logit adjustments", 2 * n)?,
            values: words("adjusted logits", n)?,
            partials: words("best tokens", scan_groups(shape.n_vocab) as u64)?,
            bins: words("bins", 3 * BINS as u64)?,
            list: words("listed tokens", LIST_WORDS as u64 + n)?,
            draws: words("drawn tokens", CUT_WORDS as u64 + bin_groups(shape.n_vocab) as u64)?,
            shape,
        })
    }

    /// Choices that are recorded from here on count tokens without much shared memory.
    pub fn count_in_storage(&mut self) {
        self.shape.shared = false;
    }

    /// Starts with [`State`]: the result of the last step.
    pub fn state_buffer(&self) -> BufferId {
        self.state
    }

    /// One choice, from the logits to the batch's next row.
    pub fn record(&self, mode: Mode) -> Result<Recording> {
        let Shape { n_vocab, context, softcap, logits, batch, shared } = self.shape;
        let (scans, groups) = (scan_groups(n_vocab), bin_groups(n_vocab));
        let params = |n_groups| Params { n_vocab, n_groups, softcap: softcap.unwrap_or(0.0), context };
        let Sampler { options, state, adjust, values, partials, bins, list, draws, .. } = *self;
        let mut r = Recording::default();
        let adjusts = mode != Mode::Greedy;
        let bind = sample_scan::Bind { logits, options, adjust, values, partials, bins };
        r.push(sample_scan::Variant { adjust: adjusts }, params(0), bind, [scans, 1])?;
        if mode == Mode::Draw {
            let (counted, digit) = if shared { (Bins::Shared, Digit::N8) } else { (Bins::Storage, Digit::N4) };
            let bind = sample_bins::Bind { values, partials, options, bins, list };
            r.push(sample_bins::Variant { bins: counted }, params(scans), bind, [groups, 1])?;
            let bind = sample_gather::Bind { values, options, state, bins, list, draws };
            r.push(sample_gather::Variant {}, params(0), bind, [groups, 1])?;
            let bind = sample_pick::Bind { values, options, list, draws, state, adjust, batch };
            r.push(sample_pick::Variant { digit }, params(groups), bind, [1, 1])?;
        } else {
            let values = if adjusts { values } else { logits };
            let bind = sample_take::Bind { values, partials, options, state, adjust, batch };
            r.push(sample_take::Variant {}, params(scans), bind, [1, 1])?;
        }
        Ok(r)
    }

    /// Writes what a generation after these tokens starts from, or goes on from. The parameters are valid.
    pub fn start(&self, params: &SamplingParams, prompt: &[u32], limits: &Limits, memory: &mut dyn Memory) {
        let adjusts = params.has_penalties() || !params.logit_bias.is_empty();
        let options = Options {
            inv_temperature: (1.0 / params.temperature).min(1e20),
            top_k: params.top_k,
            top_p: params.top_p,
            reach: if params.min_p > 0.0 { -params.min_p.ln() } else { f32::MAX },
            repeat_penalty: params.repeat_penalty,
            inv_repeat_penalty: 1.0 / params.repeat_penalty,
            presence_penalty: params.presence_penalty,
            frequency_penalty: params.frequency_penalty,
            last_n: if params.has_penalties() { params.repeat_last_n } else { 0 },
            adjusts: adjusts as u32,
            seed: [params.seed as u32, (params.seed >> 32) as u32],
            limit: limits.limit,
            masks: limits.masked as u32,
            ..Default::default()
        };
        let mut words = bytemuck::cast_slice(&[options]).to_vec();
        let head = words.len();
        words.resize(head + self.shape.n_vocab.div_ceil(32) as usize, 0u32);
        limits.stops.iter().for_each(|&id| words[head + id as usize / 32] |= 1 << (id % 32));
        memory.write(self.options, 0, bytemuck::cast_slice(&words));

        let Limits { step, table, .. } = *limits;
        let state = State { n: prompt.len() as u32, step, table, ..Default::default() };
        memory.write(self.state, 0, bytemuck::bytes_of(&state));
        if !adjusts {
            return;
        }
        let mut adjust = vec![[0u32; 2]; self.shape.n_vocab as usize];
        for &(id, bias) in &params.logit_bias {
            let sum = f32::from_bits(adjust[id as usize][0]) + bias;
            adjust[id as usize][0] = if sum.is_finite() { sum.clamp(-1e30, 1e30) } else { sum }.to_bits();
        }
        if options.last_n > 0 {
            let window = prompt.len().saturating_sub(options.last_n as usize);
            prompt[window..].iter().for_each(|&id| adjust[id as usize][1] += 1);
            memory.write(self.state, size_of::<State>() as u64, bytemuck::cast_slice(prompt));
        }
        memory.write(self.adjust, 0, bytemuck::cast_slice(&adjust));
    }

    /// From the next choice on only what a mask allows may be chosen, or anything again.
    pub fn set_masked(&self, masked: bool, memory: &mut dyn Memory) {
        memory.write(self.options, offset_of!(Options, masks) as u64, bytemuck::bytes_of(&u32::from(masked)));
    }

    /// What may be chosen next: bit `id % 32` of word `id / 32`. Words that are missing allow nothing, those beyond the
    /// vocabulary say nothing. `BadOption` where nothing may be chosen.
    pub fn mask(&self, allowed: &[u32], memory: &mut dyn Memory) -> Result<()> {
        let n = self.shape.n_vocab as usize;
        let mut words = allowed[..allowed.len().min(n.div_ceil(32))].to_vec();
        words.resize(n.div_ceil(32), 0);
        if let Some(last) = words.last_mut().filter(|_| !n.is_multiple_of(32)) {
            *last &= (1 << (n % 32)) - 1;
        }
        if words.iter().all(|&word| word == 0) {
            bail!(
                BadOption,
                "What the reply must be allows no token here; give a schema or grammar that text can fit."
            );
        }
        let start = size_of::<Options>() + 4 * words.len();
        memory.write(self.options, start as u64, bytemuck::cast_slice(&words));
        Ok(())
    }
}

/// Workgroups of the first kernel: few enough that one workgroup goes through their results.
fn scan_groups(n_vocab: u32) -> u32 {
    n_vocab.div_ceil(256).clamp(1, 256)
}

/// Workgroups of the kernels with bins, each of which goes through all bins.
fn bin_groups(n_vocab: u32) -> u32 {
    n_vocab.div_ceil(1024).clamp(1, 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Code;

    fn greedy() -> SamplingParams {
        SamplingParams::default()
    }

    #[test]
    fn options_out_of_range_are_named() {
        let bad = [
            (SamplingParams { temperature: -1.0, ..greedy() }, "temperature"),
            (SamplingParams { temperature: f32::NAN, ..greedy() }, "temperature"),
            (SamplingParams { top_p: 1.5, ..greedy() }, "topP"),
            (SamplingParams { min_p: -0.1, ..greedy() }, "minP"),
            (SamplingParams { repeat_penalty: 0.0, ..greedy() }, "repeatPenalty"),
            (SamplingParams { presence_penalty: f32::INFINITY, ..greedy() }, "presencePenalty"),
            (SamplingParams { frequency_penalty: -1000.0, ..greedy() }, "frequencyPenalty"),
            (SamplingParams { logit_bias: vec![(10, 0.0)], ..greedy() }, "A logit bias"),
            (SamplingParams { logit_bias: vec![(1, f32::NAN)], ..greedy() }, "The logit bias"),
        ];
        for (params, name) in bad {
            let error = params.validate(10).unwrap_err();
            assert_eq!(error.code, Code::BadOption);
            assert!(error.message.starts_with(name), "{}", error.message);
        }
        assert_eq!(SamplingParams::chat().validate(10), Ok(()));
    }
    #[test]
    fn the_choice_takes_no_more_kernels_than_it_needs() {
        let penalised = SamplingParams { presence_penalty: 1.0, ..greedy() };
        let modes = [
            (greedy(), Mode::Greedy),
            (SamplingParams { top_k: 5, seed: 9, ..greedy() }, Mode::Greedy),
            (SamplingParams { repeat_last_n: 0, ..penalised.clone() }, Mode::Greedy),
            (penalised, Mode::Adjusted),
            (SamplingParams { logit_bias: vec![(1, 1.0)], ..greedy() }, Mode::Adjusted),
            (SamplingParams::chat(), Mode::Draw),
        ];
        for (params, mode) in modes {
            assert_eq!(params.mode(), mode, "{params:?}");
        }
    }
}
