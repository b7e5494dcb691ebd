//! `sotto quantize`: a model's matrices in another type, as a GGUF file.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::device::Backend;
use sotto::eval::{CHUNK, calibrate};
use sotto::file::importance::{Importance, read_importance, write_importance};
use sotto::file::requantize::{Requantizer, written};
use sotto::quant::TensorType;
use sotto::run::loader::LoadOptions;

use crate::compare::{Figures, measure};
use crate::input::unreadable;
use crate::replace::Output;
use crate::repository::{Converted, is_repository};
use crate::source::{self, PIECE, Pieces, parts};

#[derive(Args)]
pub struct Quantize {
    /// A GGUF file, a folder with a repository of safetensors, or the URL of either
    #[arg(long)]
    model: String,
    /// What its matrices become: q8_0, q6_k, q5_k, q4_k, …
    #[arg(long)]
    to: String,
    /// The file that is written
    #[arg(long)]
    out: String,
    /// A file of llama.cpp's llama-imatrix: how much each column of a matrix counts
    #[arg(long)]
    importance: Option<String>,
    /// A text by which it is measured how much each column of a matrix counts: the model reads it first, on the CPU
    #[arg(long, conflicts_with = "importance")]
    calibrate: Option<String>,
    /// A file that what --calibrate found is written to, for --importance
    #[arg(long, requires = "calibrate")]
    keep_importance: Option<String>,
    /// A text that the model and the file that was written both read then, on the CPU: perplexity, speed, memory
    #[arg(long, value_name = "TEXT")]
    compare: Option<String>,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Quantize) -> Result<()> {
    let to = written(&args.to)?;
    let started = Instant::now();
    let importance = match (&args.importance, &args.calibrate) {
        (Some(file), _) => importance(file)?,
        (_, Some(text)) => calibrated(args, text).await?,
        _ => Importance::new(),
    };
    let failed = |error: std::io::Error| unwritable(&args.out, &error);
    let mut file = Output::create(Path::new(&args.out)).map_err(failed)?;
    let mut bytes_written = 0;
    let mut write = |bytes: &[u8]| {
        bytes_written += bytes.len() as u64;
        file.write_all(bytes).map_err(failed)
    };
    let read = match is_repository(&args.model) {
        true => repository(args, to, importance, &mut write),
        false => whole_file(args, to, importance, &mut write),
    }?;
    file.finish().map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    let both = match &args.compare {
        Some(text) => Some(compared(args, text).await?),
        None => None,
    };
    report(args, read, bytes_written, seconds, both.as_ref());
    Ok(())
}

fn unwritable(path: &str, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("'{path}' cannot be written ({error}); make room, or name another file."))
}

/// Before and after.
async fn compared(args: &Quantize, from: &str) -> Result<[Figures; 2]> {
    let text = std::fs::read_to_string(from).map_err(|error| unreadable(from, &error))?;
    Ok([measure(&args.model, &text).await?, measure(&args.out, &text).await?])
}

fn report(args: &Quantize, read: u64, written: u64, seconds: f64, both: Option<&[Figures; 2]>) {
    if args.json {
        let mut all = json!({ "read": read, "written": written, "seconds": seconds });
        if let Some([before, after]) = both {
            all["before"] = before.json();
            all["after"] = after.json();
        }
        return print_line!("{all}");
    }
    print_line!("{}: {read} bytes read, {written} written, {seconds:.1} s", args.out);
    if let Some([before, after]) = both {
        print_line!("before: {}", before.sentence());
        print_line!("after: {}", after.sentence());
    }
}

type Writing<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Bytes that were read.
fn repository(args: &Quantize, to: TensorType, importance: Importance, write: Writing<'_>) -> Result<u64> {
    let mut converted = Converted::open_with(&args.model, Some(to), importance)?;
    while let Some(piece) = converted.next()? {
        write(&piece)?;
    }
    Ok(converted.read())
}

/// Bytes that were read.
fn whole_file(args: &Quantize, to: TensorType, importance: Importance, write: Writing<'_>) -> Result<u64> {
    if parts(&args.model).len() > 1 {
        bail!(BadOption, "'{}' is one of several parts; join them first, by llama.cpp's llama-gguf-split.", args.model);
    }
    let mut pieces = Pieces::open(&args.model, PIECE)?;
    let mut requantizer = Requantizer::new(to, importance);
    let (mut read, mut out) = (0, Vec::new());
    while let Some(piece) = pieces.next()? {
        read += piece.len() as u64;
        requantizer.push(piece, &mut out)?;
        write(&out)?;
        out.clear();
    }
    requantizer.finish().map(|()| read)
}

/// The importance that a text says of the model, which of a repository is read with F16 weights.
async fn calibrated(args: &Quantize, from: &str) -> Result<Importance> {
    let text = std::fs::read_to_string(from).map_err(|error| unreadable(from, &error))?;
    let quantize = is_repository(&args.model).then_some(TensorType::F16);
    let context = Some(CHUNK);
    let options =
        LoadOptions { backend: Backend::Cpu, context, context_at_most: true, quantize, ..LoadOptions::default() };
    let mut engine = source::load(&args.model, options).await?;
    let found = calibrate(&mut engine, &text, &mut |done, all| {
        if !args.json {
            warn_line!("sotto: {done} of {all} tokens read");
        }
    })
    .await?;
    // By way of the file, so that what is kept makes the same model again.
    let file = write_importance(&found.importance, found.tokens);
    if let Some(out) = &args.keep_importance {
        std::fs::write(out, &file).map_err(|error| unwritable(out, &error))?;
    }
    read_importance(&file)
}

fn importance(from: &str) -> Result<Importance> {
    let (mut pieces, mut bytes) = (Pieces::open(from, PIECE)?, Vec::new());
    while let Some(piece) = pieces.next()? {
        bytes.extend_from_slice(piece);
    }
    read_importance(&bytes)
}
