//! `cargo bench`: how near Sotto's kernels and passes come to what this machine's GPU can do.
//!
//! No model file is read: models of known shapes are laid out as a load does it, with random weights, and their
//! recordings are replayed. So kernels and layouts may change without a change here.

mod choice;
mod clock;
mod kernels;
mod limits;
mod passes;
mod report;
mod shapes;
mod subject;
mod synthetic;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pollster::block_on;
use sotto::bail;
use sotto::base::error::Result;
use sotto::base::precision::KvType;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::kernels::choose::Choice;
use sotto::model;
use sotto::model::forward::Sizes;
use sotto::run::{plan, tune};

use limits::Limits;
use report::{Report, Row, Skipped, number};
use shapes::{QUANTS, SHAPES, Shape};
use subject::Subject;

/// For all ways of all products: a load takes a part of them each time, this all at once.
const TUNE_BUDGET: Duration = Duration::from_secs(60);

/// Times every kernel, decode steps and prompts of well-known models, against this GPU's memory and arithmetic.
#[derive(Parser)]
#[command(bin_name = "cargo bench --")]
struct Args {
    /// A model of --list; may be given several times [default: all]
    #[arg(long, value_name = "NAME", value_parser = SHAPES.iter().map(|s| s.name).collect::<Vec<_>>())]
    model: Vec<String>,
    /// A quantization; may be given several times [default: all]
    #[arg(long, value_parser = QUANTS)]
    quant: Vec<String>,
    /// Measure only these; may be given several times
    #[arg(long)]
    only: Vec<Part>,
    /// Keep so many layers at most and scale the passes to all: for adapters with little memory
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    layers: Option<u32>,
    /// Tokens in the cache before a decode step
    #[arg(long, value_delimiter = ',', default_values_t = [0, 2048, 8192], value_parser = clap::value_parser!(u32).range(..131_072))]
    context: Vec<u32>,
    /// Tokens of a prompt
    #[arg(long, value_delimiter = ',', default_values_t = [128, 512, 2048], value_parser = clap::value_parser!(u32).range(1..131_072))]
    prompt: Vec<u32>,
    /// Rows of a prompt computed at once [default: the loader's for this adapter]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: Option<u32>,
    /// Tokens that are decoded side by side, in the kernels' times
    #[arg(long, value_delimiter = ',', default_values_t = [1], value_parser = clap::value_parser!(u32).range(1..=4))]
    beside: Vec<u32>,
    /// Of the rows of a prompt, the first that are each of another sequence, for layers with states
    #[arg(long, default_value_t = 0)]
    others: u32,
    /// Force kernel variants, as in x=direct,reduce=tree,lanes=tree,kv=pack16
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    choice: Vec<String>,
    /// Measure the ways to each product first and take the fastest, as a load does
    #[arg(long)]
    tune: bool,
    /// Time kernels by repeating them, even where the GPU has a clock
    #[arg(long)]
    wall: bool,
    /// Time kernels by what all threads of this program computed: for software adapters on machines that others use (Linux)
    #[arg(long)]
    computed: bool,
    /// Where the results go as JSON [default: bench/results/<adapter>-<date>.json; none for a software adapter]
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// List the models, their files' sizes and their tensor types
    #[arg(long)]
    list: bool,
    /// cargo passes this
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Kernels,
    Decode,
    Prefill,
}

fn main() {
    let args = Args::parse();
    let done = if args.list { list() } else { run(&args) };
    if let Err(error) = done {
        eprintln!("bench: {error}");
        std::process::exit(1);
    }
}

fn list() -> Result<()> {
    println!("{:13} {:7} {:>6} {:>10}  types", "model", "quant", "layers", "MB");
    for shape in SHAPES {
        for quant in QUANTS {
            let catalog = synthetic::catalog(shape, quant, shape.n_layers);
            model::read(&catalog)?;
            let mut types: Vec<&str> = catalog.tensors.iter().map(|t| t.kind.name()).collect();
            types.sort_unstable();
            types.dedup();
            let mb = catalog.file_bytes as f64 / 1e6;
            println!("{:13} {quant:7} {:>6} {mb:>10.0}  {}", shape.name, shape.n_layers, types.join(" "));
        }
    }
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    let mut gpu = device(args)?;
    let caps = gpu.caps.clone();
    if caps.is_software && (args.model.is_empty() || args.layers.is_none()) {
        bail!(
            BadOption,
            "The adapter '{}' is software and would take hours; give --model and --layers, such as --model Qwen3-0.6B --layers 1.",
            caps.adapter
        );
    }
    let choice = choice::forced(Choice::of(&caps, KvType::F16, false), &args.choice)?;
    let limits = limits::measure(&mut gpu)?;
    let mut report = Report::new(&gpu, limits, args.choice.clone(), args.tune, args.layers);
    drop(gpu);
    println!(
        "{} ({}), kernels timed by {}; {choice:?}",
        report.adapter,
        report.driver,
        if caps.timestamps { "the GPU's clock" } else { "wall time of repetitions" }
    );
    println!(
        "limits: copy {} GB/s, f32 FMA {} TFLOP/s, {} µs a dispatch\n\n{}",
        number(limits.copy_gbps),
        number(limits.fma_tflops),
        number(limits.dispatch_us),
        Row::heading()
    );

    let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
    for shape in SHAPES.iter().filter(|s| named(&args.model, s.name)) {
        for quant in QUANTS.into_iter().filter(|q| named(&args.quant, q)) {
            let mut emit = |row: Row| {
                println!("{}", row.line());
                report.rows.push(row);
            };
            // A model may be too large for this adapter; the others need not be.
            if let Err(error) = measure(args, shape, quant, choice, limits, &mut emit) {
                println!("{:13} {quant:7} not measured: {error}", shape.name);
                report.skipped.push(Skipped { model: shape.name, quant: quant.into(), why: error.to_string() });
            }
        }
    }
    if report.rows.is_empty() {
        bail!(Gpu, "Nothing could be measured on '{}'; see the reasons above.", caps.adapter);
    }
    let default = (!caps.is_software).then(|| report.default_path());
    if let Some(path) = args.out.clone().or(default) {
        report.write(&path)?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

fn device(args: &Args) -> Result<Gpu> {
    let mut gpu = block_on(Gpu::request(GpuOptions::default()))?;
    gpu.caps.timestamps &= !args.wall && !args.computed;
    clock::COMPUTED.store(args.computed, std::sync::atomic::Ordering::Relaxed);
    Ok(gpu)
}

fn measure(
    args: &Args,
    shape: &'static Shape,
    quant: &str,
    choice: Choice,
    limits: Limits,
    emit: &mut dyn FnMut(Row),
) -> Result<()> {
    let wants = |part| args.only.is_empty() || args.only.contains(&part);
    // A device for each model: its memory is free again after.
    let gpu = device(args)?;
    let rows =
        args.batch.unwrap_or_else(|| plan::default_rows(&gpu.caps, &synthetic::catalog(shape, quant, shape.n_layers)));
    let longest = args.context.iter().map(|c| c + 1).chain(args.prompt.iter().copied()).max();
    let context = longest.unwrap_or(1).max(rows) + 4;
    let sizes = Sizes { context, cells: context, max_rows: rows, max_outputs: 1 };
    let layers = args.layers.unwrap_or(u32::MAX).min(shape.n_layers);
    let mut subject = Subject::new(shape, quant, layers, sizes, choice, gpu)?;
    subject.others = args.others;
    if args.tune {
        block_on(tune::tune(&subject.gpu, &mut subject.model, TUNE_BUDGET))?;
        subject.model.tuning.lines().iter().for_each(|line| println!("{:13} {quant:7} tuned       {line}", shape.name));
    }
    if wants(Part::Kernels) {
        for &rows in &args.beside {
            kernels::decode(&mut subject, rows, &args.context, limits, emit)?;
        }
        kernels::prefill(&mut subject, limits, emit)?;
    }
    if wants(Part::Decode) {
        for &context in &args.context {
            emit(passes::decode(&mut subject, context, limits)?);
        }
    }
    if wants(Part::Prefill) {
        for &tokens in &args.prompt {
            emit(passes::prefill(&mut subject, tokens, limits)?);
        }
    }
    Ok(())
}
