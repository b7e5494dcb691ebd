//! `sotto generate`: replies, streamed or as JSON; of a batch several at a time.

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json as object};
use sotto::base::error::Result;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::session::{GenerateOptions as Options, Generation, Step};
use sotto::wire::options::GenerateOptions;
use sotto::wire::stats::ModelStats;

use crate::adapters::Adapters;
use crate::flags::Flags;
use crate::input::{Item, PromptInput};
use crate::model::{Model, adapter};
use crate::output::{json, out, print, with_name};

#[derive(Args)]
pub struct Generate {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: PromptInput,
    /// So many texts of a batch are answered at a time; of more than one each reply is printed once it is whole
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    parallel: u32,
    #[command(flatten)]
    adapters: Adapters,
    #[command(flatten)]
    options: Flags<GenerateOptions>,
}

/// A reply on its way.
struct Reply {
    /// Its place in the batch.
    index: usize,
    name: Option<String>,
    generation: Generation,
    reason: &'static str,
    /// When its last token came, and the longest wait for one after the first.
    last: Option<Instant>,
    slowest_ms: f64,
}

impl Reply {
    fn new(engine: &mut Engine, index: usize, item: Item, raw: bool, options: &Options) -> Result<Reply> {
        let prompt = if raw { Prompt::Raw(item.text) } else { Prompt::Text(item.text) };
        let generation = Generation::new(engine, &prompt, options.clone())?;
        Ok(Reply { index, name: item.name, generation, reason: "", last: None, slowest_ms: 0.0 })
    }

    /// The text of its next step; `None` after the end.
    async fn next(&mut self, engine: &mut Engine) -> Result<Option<String>> {
        let (text, tokens) = match self.generation.next(engine).await? {
            None => return Ok(None),
            Some(Step::Prefill { .. } | Step::Waiting) => return Ok(Some(String::new())),
            Some(Step::Token { text, tokens }) => (text, tokens),
            Some(Step::End { reason, text, tokens }) => {
                self.reason = reason.as_str();
                (text, tokens)
            }
        };
        if !tokens.is_empty()
            && let Some(last) = self.last.replace(Instant::now())
        {
            self.slowest_ms = self.slowest_ms.max(last.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Some(text))
    }

    fn json(&self, engine: &mut Engine, load_ms: f64) -> Result<Value> {
        let (generation, t) = (&self.generation, self.generation.timings);
        let result = object!({
            "prompt_tokens": generation.prompt,
            "tokens": generation.tokens,
            "text": generation.text,
            "finish_reason": self.reason,
            "timings": { "load_ms": load_ms, "ttft_ms": t.ttft_ms, "prefill_tps": t.prefill_tps, "decode_tps": t.decode_tps, "slowest_ms": self.slowest_ms, "drafted_tokens": t.drafted_tokens, "accepted_tokens": t.accepted_tokens },
            "memory": { "wasm_peak_bytes": null, "gpu_bytes": engine.device.gpu_bytes() },
            "backend": engine.device.backend().as_str(),
            "adapter": adapter(engine),
            "stats": json(&ModelStats::of(engine))?,
        });
        Ok(with_name(result, self.name.as_ref()))
    }
}

pub async fn run(args: Generate) -> Result<()> {
    let items = args.input.read()?;
    let options = args.options.read("generate")?;
    let raw = options.raw;
    let (in_json, streams) = (args.model.json, args.parallel == 1);
    let (mut engine, load_ms) = args.model.load().await?;
    let adapter = args.adapters.load(&mut engine).await?;
    let options = Options { adapter, ..options.read(&engine.sampling)? };
    let started = Instant::now();
    let mut results = vec![Value::Null; items.list.len()];
    let (mut tokens, mut slowest_ms) = (0, 0f64);
    let mut waiting = items.list.into_iter().enumerate();
    let mut replies: Vec<Reply> = Vec::new();
    loop {
        while replies.len() < args.parallel as usize
            && let Some((index, item)) = waiting.next()
        {
            if let (Some(name), false, true) = (&item.name, in_json, streams) {
                print_line!("## {name}");
            }
            replies.push(Reply::new(&mut engine, index, item, raw, &options)?);
        }
        if replies.is_empty() {
            break;
        }
        let mut at = 0;
        while let Some(reply) = replies.get_mut(at) {
            if let Some(text) = reply.next(&mut engine).await? {
                if streams && !in_json {
                    out(format_args!("{text}"));
                }
                at += 1;
                continue;
            }
            let reply = replies.remove(at);
            tokens += reply.generation.tokens.len();
            slowest_ms = slowest_ms.max(reply.slowest_ms);
            if in_json {
                results[reply.index] = reply.json(&mut engine, load_ms)?;
                continue;
            }
            if let (Some(name), false) = (&reply.name, streams) {
                print_line!("## {name}");
            }
            print_line!("{}", if streams { "" } else { &reply.generation.text });
            let t = reply.generation.timings;
            warn_line!(
                "[{} tokens, {:.1} tokens/s, first after {:.0} ms, {}]",
                reply.generation.tokens.len(),
                t.decode_tps,
                t.ttft_ms,
                engine.device.name()
            );
        }
    }
    if in_json {
        print(results, items.batch);
    }
    if items.batch {
        let seconds = started.elapsed().as_secs_f64();
        warn_line!(
            "[{tokens} tokens in {seconds:.2} s, {:.1} tokens/s together, the longest wait for a next token {slowest_ms:.0} ms]",
            tokens as f64 / seconds
        );
    }
    Ok(())
}
