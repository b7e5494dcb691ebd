//! What a model lost and gained by becoming another file: a text read by both, one after the other, on the CPU.

use serde_json::{Value, json};
use sotto::bail;
use sotto::base::error::Result;
use sotto::device::Backend;
use sotto::eval::{BenchOptions, bench, score_in};
use sotto::quant::TensorType;
use sotto::run::loader::LoadOptions;
use sotto::text::tokenizer::EncodeOptions;

use crate::repository::is_repository;
use crate::source;

/// Tokens of the text that are read, at most.
const MOST: u32 = 1024;

/// One model's figures.
pub struct Figures {
    /// Bytes of weights, cache and activations in memory.
    memory: u64,
    /// Tokens that were read of the text.
    tokens: usize,
    perplexity: f64,
    /// Tokens of a prompt and of a reply in a second.
    prefill_tps: f64,
    decode_tps: f64,
}

/// Errors: those of a load and of a score.
pub async fn measure(model: &str, text: &str) -> Result<Figures> {
    let quantize = is_repository(model).then_some(TensorType::F16);
    let context = Some(MOST);
    let options =
        LoadOptions { backend: Backend::Cpu, context, context_at_most: true, quantize, ..LoadOptions::default() };
    let mut engine = source::load(model, options).await?;
    engine.check_writes()?;
    let context = engine.model.sizes.context as usize;
    let mut tokens = engine.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?;
    tokens.truncate(context);
    if tokens.is_empty() {
        bail!(BadOption, "The text of --compare is empty; give one of some hundred words.");
    }
    let sequence = engine.open(tokens.len() as u32)?;
    let score = score_in(&mut engine, sequence, tokens).await;
    engine.close(sequence);
    let score = score?;
    let lengths = BenchOptions {
        prompt_tokens: vec![context.min(256) / 2],
        gen_tokens: context.min(64) / 4,
        ..Default::default()
    };
    let speed = bench(&mut engine, &lengths).await?;
    Ok(Figures {
        memory: engine.device.bytes(),
        tokens: score.tokens.len(),
        perplexity: score.perplexity,
        prefill_tps: speed.prefill_tps,
        decode_tps: speed.decode_tps,
    })
}

impl Figures {
    pub fn json(&self) -> Value {
        let Figures { memory, tokens, perplexity, prefill_tps, decode_tps } = self;
        json!({
            "memory": memory,
            "tokens": tokens,
            "perplexity": perplexity,
            "prefillTps": prefill_tps,
            "decodeTps": decode_tps,
        })
    }

    pub fn sentence(&self) -> String {
        format!(
            "{:.1} MB of memory, perplexity {:.4} over {} tokens, {:.1} tokens/s of a prompt, {:.1} of a reply",
            self.memory as f64 / 1e6,
            self.perplexity,
            self.tokens,
            self.prefill_tps,
            self.decode_tps
        )
    }
}
