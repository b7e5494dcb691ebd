//! Times whole generations, and says what a token costs.

use schemars::JsonSchema;
use serde::Serialize;

use super::median;
use super::profile::{Profile, made_up, profile};
use super::traffic::total;
use crate::bail;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::Device;
use crate::model::forward::Shape;
use crate::run::engine::Engine;
use crate::run::session::{GenerateOptions, Generation, Step};
use crate::run::speculate::Speculate;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Lengths of the made-up prompts.
    pub prompt_tokens: Vec<usize>,
    /// Tokens to generate after each.
    pub gen_tokens: usize,
    /// Each figure is the median of so many runs.
    pub runs: usize,
    /// Time every kernel as well.
    pub profile: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        BenchOptions { prompt_tokens: vec![256], gen_tokens: 64, runs: 3, profile: false }
    }
}

/// Medians over the runs. What depends on a prompt is that of the first length.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BenchResult")]
pub struct Bench {
    /// Prompt tokens per second.
    pub prefill_tps: f64,
    /// Generated tokens per second.
    pub decode_tps: f64,
    /// Milliseconds from the request to the first token.
    pub ttft_ms: f64,
    /// Kernels that run for one generated token, the choice of it included.
    pub dispatches_per_token: usize,
    /// Bytes that the first token after the prompt reads, at the least.
    pub weight_bytes_per_token: u64,
    /// Bytes of keys and values that this token reads.
    pub kv_bytes_per_token: u64,
    /// Both kinds of bytes a second, in GB: the memory speed that decoding reaches.
    pub decode_gbps: f64,
    /// CPU time to encode one token's dispatches; `null` on the CPU, which computes them.
    pub encode_us: Option<f64>,
    /// Every length, if more than one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<Length>,
    /// Times of every kernel, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// What was measured with a prompt of one length.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BenchLength")]
pub struct Length {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Prompt tokens per second.
    pub prefill_tps: f64,
    /// Generated tokens per second.
    pub decode_tps: f64,
    /// Milliseconds from the request to the first token.
    pub ttft_ms: f64,
}

/// Times `runs` greedy generations of `gen_tokens` after each prompt length.
/// `BadOption` where they do not fit the context, or for a profile where the adapter cannot time kernels.
pub async fn bench(engine: &mut Engine, options: &BenchOptions) -> Result<Bench> {
    engine.check_writes()?;
    let &BenchOptions { ref prompt_tokens, gen_tokens, runs, profile: profiled } = options;
    let context = engine.model.sizes.context as usize;
    let Some(&first) = prompt_tokens.first() else {
        bail!(BadOption, "A benchmark needs at least one prompt length; give the number of its tokens.");
    };
    for &length in prompt_tokens {
        if length == 0 || runs == 0 || length.saturating_add(gen_tokens) > context {
            bail!(
                BadOption,
                "A benchmark of {length} and {gen_tokens} tokens in {runs} runs does not fit the context of {context}; use at least one prompt token and run, and fewer tokens."
            );
        }
    }
    if profiled {
        engine.device.check_timestamps()?;
    }
    engine.begin();
    engine.warm_up().await?;
    let mut lengths = Vec::new();
    for &length in prompt_tokens {
        lengths.push(generations(engine, length, gen_tokens, runs).await?);
    }
    // The first token after the prompt; a full context has none, then the last of the prompt.
    let position = first.min(context - 1) as u32;
    let recording = engine.model.record(engine.decode_shape(position))?;
    let reads = total(&engine.device, &engine.model, &recording, position..position + 1);
    let Length { prefill_tps, decode_tps, ttft_ms, .. } = lengths[0];
    Ok(Bench {
        prefill_tps,
        decode_tps,
        ttft_ms,
        dispatches_per_token: engine.dispatches_per_token()?,
        weight_bytes_per_token: reads.weights,
        kv_bytes_per_token: reads.kv,
        decode_gbps: (reads.weights + reads.kv) as f64 * decode_tps / 1e9,
        encode_us: encode_us(engine, position).await?,
        lengths: if lengths.len() > 1 { lengths } else { Vec::new() },
        profile: if profiled { Some(profile(engine, position, runs).await?) } else { None },
    })
}

async fn generations(engine: &mut Engine, prompt_tokens: usize, gen_tokens: usize, runs: usize) -> Result<Length> {
    let n_vocab = engine.model.net.n_vocab;
    let prompt: Vec<u32> = (0..prompt_tokens as u32).map(|position| made_up(position, n_vocab)).collect();
    let options = GenerateOptions {
        max_tokens: Some(gen_tokens as u32),
        ignore_eos: true,
        fresh: true,
        speculate: Speculate::OFF,
        ..Default::default()
    };
    let (mut prefill, mut decode, mut ttft) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let mut generation = Generation::with_tokens(engine, prompt.clone(), options.clone())?;
        while let Some(step) = generation.next(engine).await? {
            if matches!(step, Step::End { .. }) {
                break;
            }
        }
        if let Some(sequence) = generation.sequence() {
            engine.close(sequence);
        }
        // One that was cut short measures nothing.
        engine.current.check()?;
        prefill.push(generation.timings.prefill_tps);
        decode.push(generation.timings.decode_tps);
        ttft.push(generation.timings.ttft_ms);
    }
    Ok(Length { prompt_tokens, prefill_tps: median(prefill), decode_tps: median(decode), ttft_ms: median(ttft) })
}

/// Tokens encoded in a row for one sample, since browsers' clocks tell 100 µs apart at best, and samples.
const ENCODES: u32 = 16;
const SAMPLES: usize = 15;

/// Median microseconds of CPU time to encode one decoded token. It is not submitted: on a software adapter its work
/// would take the same CPU, and leave time for a sample or two.
async fn encode_us(engine: &Engine, position: u32) -> Result<Option<f64>> {
    let Device::Gpu(gpu) = &engine.device else { return Ok(None) };
    let prepared = gpu.prepare(&engine.model.record(Shape::decode(position))?);
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        // The browser's GPU process has caught up.
        gpu.idle().await?;
        let sample = Instant::now();
        (0..ENCODES).for_each(|_| gpu.encode_only(&prepared));
        samples.push(sample.elapsed().as_secs_f64() * 1e6 / f64::from(ENCODES));
    }
    Ok(Some(median(samples)))
}
