//! The commands' flags and output.

use std::io::Write;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::eval;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{GenerateOptions, Generation, Step};

use crate::{bench, source};

/// Runs GGUF language models on the GPU or the CPU.
#[derive(Parser)]
#[command(name = "sotto", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Streams text after a prompt
    Generate(Generate),
    /// Tells how well the model predicts a text
    Score(Score),
    /// Times prefill and decode
    Bench(bench::Bench),
}

#[derive(Args)]
pub struct Model {
    /// A GGUF file or its URL
    #[arg(long)]
    model: String,
    /// Tokens of context to reserve memory for
    #[arg(long)]
    context_length: Option<u32>,
    /// How the cache stores keys and values: f16 or f32
    #[arg(long, default_value = "f16", value_parser = ["f16", "f32"])]
    kv_type: String,
    /// What it runs on: auto takes a graphics card where there is one, else the CPU
    #[arg(long, default_value = "auto", value_parser = ["auto", "webgpu", "cpu"])]
    backend: String,
    /// Bits of each activation in products: high takes as many as are as good as f32, fast 8 where that is quicker
    #[arg(long, default_value = "high", value_parser = ["high", "fast"])]
    precision: String,
    /// Threads of the CPU that compute; by default one a core, at most 8
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Keep to kernels without subgroup operations
    #[arg(long)]
    no_subgroups: bool,
    /// Keep to kernels without packed integer products
    #[arg(long)]
    no_dot: bool,
    /// Measure the kernels: on or off; by default on a real GPU
    #[arg(long, value_parser = ["on", "off"])]
    tune: Option<String>,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "input")]
struct PromptInput {
    #[arg(long)]
    prompt: Option<String>,
    #[arg(long)]
    prompt_file: Option<String>,
    /// A JSON array of {"name", "text"}
    #[arg(long)]
    batch: Option<String>,
}

#[derive(Args)]
struct Generate {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: PromptInput,
    /// No chat template; special tokens in the prompt are parsed
    #[arg(long)]
    raw: bool,
    #[arg(long)]
    max_tokens: Option<u32>,
    /// 0 is greedy
    #[arg(long)]
    temperature: Option<f32>,
    #[arg(long)]
    top_k: Option<u32>,
    #[arg(long)]
    top_p: Option<f32>,
    #[arg(long)]
    min_p: Option<f32>,
    #[arg(long)]
    repeat_penalty: Option<f32>,
    #[arg(long)]
    seed: Option<u64>,
    /// Ends the reply; may be given several times
    #[arg(long)]
    stop: Vec<String>,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "texts")]
struct TextInput {
    #[arg(long)]
    text: Option<String>,
    #[arg(long)]
    text_file: Option<String>,
    /// A JSON array of {"name", "text"}
    #[arg(long)]
    batch: Option<String>,
}

#[derive(Args)]
struct Score {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: TextInput,
}

pub fn run() -> Result<()> {
    let cli = Cli::try_parse().unwrap_or_else(|e| {
        // clap's own text is many lines; the first says what is wrong.
        if e.use_stderr() {
            let first = e.to_string().lines().take(3).map(str::trim).collect::<Vec<_>>().join(" ");
            eprintln!("sotto: {}; see --help.", first.trim_start_matches("error: ").trim());
            std::process::exit(1);
        }
        e.exit()
    });
    pollster::block_on(async {
        match cli.command {
            Command::Generate(args) => generate(args).await,
            Command::Score(args) => score(args).await,
            Command::Bench(args) => bench::run(args).await,
        }
    })
}

/// The loaded engine and the milliseconds that took.
pub async fn load(model: &Model) -> Result<(Engine, f64)> {
    let mut options = LoadOptions { context: model.context_length, ..Default::default() };
    options.kv = if model.kv_type == "f32" { KvType::F32 } else { KvType::F16 };
    options.backend = Backend::parse(&model.backend)?;
    options.fast = model.precision == "fast";
    options.cpu.threads = model.threads.map(usize::from);
    options.gpu.subgroups = !model.no_subgroups;
    options.gpu.dot = !model.no_dot;
    options.tune = model.tune.as_ref().map(|tune| tune == "on");
    let started = Instant::now();
    let engine = source::load(&model.model, options).await?;
    Ok((engine, started.elapsed().as_secs_f64() * 1e3))
}

/// The GPU's name; none on the CPU.
pub fn adapter(engine: &Engine) -> Option<String> {
    engine.device.gpu().map(|gpu| gpu.caps.adapter.to_string())
}

/// A text to work on, with its name in a batch.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    name: Option<String>,
    text: String,
}

fn items(direct: Option<String>, file: Option<String>, batch: Option<String>) -> Result<Vec<Item>> {
    if let Some(text) = direct {
        return Ok(vec![Item { name: None, text }]);
    }
    if let Some(path) = file {
        return Ok(vec![Item { name: None, text: read(&path)? }]);
    }
    let path = batch.unwrap_or_default();
    serde_json::from_str(&read(&path)?)
        .map_err(|e| Error::new(Code::BadOption, format!("'{path}' is not an array of {{\"name\", \"text\"}} ({e}).")))
}

fn read(path: &str) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(e) => bail!(Io, "The file '{path}' cannot be read ({e}); check the path."),
    }
}

/// One JSON value: an array for a batch, else the one result.
fn print(results: Vec<Value>, batch: bool) {
    let value = if batch { Value::Array(results) } else { results.into_iter().next().unwrap_or(Value::Null) };
    println!("{value}");
}

fn with_name(mut value: Value, name: &Option<String>) -> Value {
    if let (Some(name), Some(members)) = (name, value.as_object_mut()) {
        members.shift_insert(0, "name".into(), name.as_str().into());
    }
    value
}

async fn generate(args: Generate) -> Result<()> {
    let batch = args.input.batch.is_some();
    let items = items(args.input.prompt, args.input.prompt_file, args.input.batch)?;
    let defaults = SamplingParams::chat();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let options = GenerateOptions {
        sampling: SamplingParams {
            temperature: args.temperature.unwrap_or(defaults.temperature),
            top_k: args.top_k.unwrap_or(defaults.top_k),
            top_p: args.top_p.unwrap_or(defaults.top_p),
            min_p: args.min_p.unwrap_or(defaults.min_p),
            repeat_penalty: args.repeat_penalty.unwrap_or(defaults.repeat_penalty),
            seed: args.seed.unwrap_or(seed),
            ..defaults
        },
        max_tokens: args.max_tokens,
        stop: args.stop,
        ..Default::default()
    };
    let (mut engine, load_ms) = load(&args.model).await?;
    let mut results = Vec::new();
    for Item { name, text } in items {
        if let (Some(name), false) = (&name, args.model.json) {
            println!("## {name}");
        }
        let prompt = if args.raw { Prompt::Raw(text) } else { Prompt::Text(text) };
        let mut generation = Generation::new(&mut engine, &prompt, options.clone())?;
        let mut reason = "";
        while let Some(step) = generation.next(&mut engine).await? {
            let piece = match step {
                Step::Prefill { .. } => continue,
                Step::Token { text, .. } => text,
                Step::End { reason: why, text } => {
                    reason = why.as_str();
                    text
                }
            };
            if !args.model.json {
                print!("{piece}");
                let _ = std::io::stdout().flush();
            }
        }
        let t = generation.timings;
        if args.model.json {
            let result = json!({
                "prompt_tokens": generation.prompt,
                "tokens": generation.tokens,
                "text": generation.text,
                "finish_reason": reason,
                "timings": { "load_ms": load_ms, "ttft_ms": t.ttft_ms, "prefill_tps": t.prefill_tps, "decode_tps": t.decode_tps },
                "memory": { "wasm_peak_bytes": null, "gpu_bytes": engine.device.gpu_bytes() },
                "backend": engine.device.backend().as_str(),
                "adapter": adapter(&engine),
            });
            results.push(with_name(result, &name));
        } else {
            println!();
            eprintln!(
                "[{} tokens, {:.1} tokens/s, first after {:.0} ms, {}]",
                generation.tokens.len(),
                t.decode_tps,
                t.ttft_ms,
                engine.device.name()
            );
        }
    }
    if args.model.json {
        print(results, batch);
    }
    Ok(())
}

async fn score(args: Score) -> Result<()> {
    let batch = args.input.batch.is_some();
    let items = items(args.input.text, args.input.text_file, args.input.batch)?;
    let (mut engine, _) = load(&args.model).await?;
    let mut results = Vec::new();
    for Item { name, text } in items {
        let score = eval::score(&mut engine, &text).await?;
        if args.model.json {
            results.push(with_name(json!(score), &name));
        } else {
            let label = name.map(|n| format!("{n}: ")).unwrap_or_default();
            println!(
                "{label}{} tokens, mean NLL {:.4}, perplexity {:.3}",
                score.tokens.len(),
                score.nll_mean,
                score.perplexity
            );
        }
    }
    if args.model.json {
        print(results, batch);
    }
    Ok(())
}
