//! `sotto inspect`: what a file says before its weights, and whether it runs here.

use clap::Args;
use serde_json::Value;
use sotto::base::error::{Code, Result};
use sotto::device::Backend;
use sotto::device::gpu::Gpu;
use sotto::run::loader;
use sotto::run::rate;
use sotto::run::verdict::{Around, Finding};
use sotto::wire::inspect::Inspection;
use sotto::wire::options::LoadOptions;

use crate::flags::{Flags, in_flags};
use crate::output::json;
use crate::source;

#[derive(Args)]
pub struct Inspect {
    /// A GGUF file, a folder with a repository of safetensors, or the URL of either; headers are enough
    #[arg(long)]
    model: String,
    #[command(flatten)]
    options: Flags<LoadOptions>,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Inspect) -> Result<()> {
    let mut options: loader::LoadOptions = args.options.read("load")?.into();
    // An adapter is looked for only where it is asked for: a file can be read on any machine.
    if options.backend == Backend::Auto {
        options.backend = Backend::Cpu;
    }
    let text = source::open_text(&args.model, true, options.quantize)?;
    let around = around(&options).await?;
    let mut found = Inspection::of(&text, &options, &around)?;
    let verdict = &mut found.judgement.verdict;
    if let Some(cut) = cut(found.header.file_bytes, source::bytes_there(&args.model)) {
        verdict.runs = false;
        verdict.findings.insert(0, cut);
    }
    for finding in &mut verdict.findings {
        finding.sentence = in_flags(&finding.sentence);
    }
    let found = json(&found)?;
    if args.json {
        print_line!("{found}");
        return Ok(());
    }
    for (name, value) in found.as_object().into_iter().flatten() {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                print_line!("{name}");
                rows.iter().for_each(|row| print_line!("    {row}"));
            }
            Value::Object(members) => {
                print_line!("{name}");
                members.iter().for_each(|(name, value)| print_line!("    {name:24} {value}"));
            }
            value => print_line!("{name:28} {value}"),
        }
    }
    Ok(())
}

/// What there is to say of files that have less bytes than the header wants (`www/worker/parts.ts` says the same).
fn cut(wanted: u64, there: Option<u64>) -> Option<Finding> {
    let there = there.filter(|&there| there < wanted)?;
    let sentence = format!("The file has {there} of {wanted} bytes: it ends before its tensors do; download it again.");
    Some(Finding { code: Code::Truncated.as_str(), sentence })
}

/// This machine. Its memory is not asked for: systems lend more than they have.
async fn around(options: &loader::LoadOptions) -> Result<Around> {
    let gpu = match options.backend {
        Backend::Webgpu => Gpu::request(options.gpu.clone()).await.ok(),
        _ => None,
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8));
    Ok(Around {
        caps: gpu.map(|gpu| gpu.caps.clone()),
        threads: options.cpu.threads.unwrap_or(cores) as u32,
        cpu_rate: Some(rate::cpu()),
        ..Around::default()
    })
}
