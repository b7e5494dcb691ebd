//! `sotto quantize`: a model's matrices in another type, as a GGUF file.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::file::Converter;
use sotto::file::gguf::HeaderParser;
use sotto::file::requantize::{Importance, read_importance, requantize};
use sotto::quant::TensorType;

use crate::repository::{Converted, is_repository};
use crate::source::{PIECE, Pieces, parts};

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
    /// A file of llama.cpp's llama-imatrix: how much each column of a matrix counts; for a GGUF file
    #[arg(long)]
    importance: Option<String>,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Quantize) -> Result<()> {
    let Some(to) = TensorType::written(&args.to) else {
        let names: Vec<String> = TensorType::WRITTEN.iter().map(|kind| kind.name().to_lowercase()).collect();
        bail!(BadOption, "--to is '{}'; take one of {}.", args.to, names.join(", "));
    };
    let started = Instant::now();
    let part = format!("{}.part", args.out);
    let failed = |error: std::io::Error| {
        Error::new(Code::Io, format!("'{part}' cannot be written ({error}); make room, or name another file."))
    };
    let mut file = File::create(&part).map_err(failed)?;
    let mut written = 0;
    let mut write = |bytes: &[u8]| {
        written += bytes.len() as u64;
        file.write_all(bytes).map_err(failed)
    };
    let done = match is_repository(&args.model) {
        true => repository(args, to, &mut write),
        false => whole_file(args, to, &mut write),
    };
    drop(file);
    match done.and_then(|read| std::fs::rename(&part, &args.out).map(|()| read).map_err(failed)) {
        Ok(read) => {
            let seconds = started.elapsed().as_secs_f64();
            if args.json {
                print_line!("{}", json!({ "read": read, "written": written, "seconds": seconds }));
            } else {
                print_line!("{}: {read} bytes read, {written} written, {seconds:.1} s", args.out);
            }
            Ok(())
        }
        Err(error) => {
            // What is left of it is of no use.
            std::fs::remove_file(&part).ok();
            Err(error)
        }
    }
}

/// Bytes that were read.
fn repository(args: &Quantize, to: TensorType, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    if args.importance.is_some() {
        bail!(
            BadOption,
            "--importance is for a GGUF file, and '{}' is a repository; quantize it to f16 first.",
            args.model
        );
    }
    let mut converted = Converted::open(&args.model, Some(to))?;
    while let Some(piece) = converted.next()? {
        write(&piece)?;
    }
    Ok(converted.read())
}

/// Bytes that were read.
fn whole_file(args: &Quantize, to: TensorType, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    if parts(&args.model).len() > 1 {
        bail!(BadOption, "'{}' is one of several parts; join them first, by llama.cpp's llama-gguf-split.", args.model);
    }
    let importance = args.importance.as_deref().map_or_else(|| Ok(Importance::new()), importance)?;
    let mut importance = Some(importance);
    let mut pieces = Pieces::open(&args.model, PIECE)?;
    let (mut parser, mut converter): (_, Option<Converter>) = (HeaderParser::default(), None);
    let (mut before, mut read, mut out) = (Vec::new(), 0, Vec::new());
    while let Some(piece) = pieces.next()? {
        read += piece.len() as u64;
        if let Some(converter) = &mut converter {
            converter.push(piece, &mut out);
        } else {
            before.extend_from_slice(piece);
            if let Some((header, _)) = parser.push(piece)? {
                let made = converter.insert(requantize(header, to, importance.take().unwrap_or_default())?);
                out = made.take_head();
                made.push(&std::mem::take(&mut before), &mut out);
            }
        }
        write(&out)?;
        out.clear();
    }
    match converter {
        Some(mut converter) => converter.next_file().map(|()| read),
        None => Err(parser.finish()),
    }
}

fn importance(from: &str) -> Result<Importance> {
    let (mut pieces, mut bytes) = (Pieces::open(from, PIECE)?, Vec::new());
    while let Some(piece) = pieces.next()? {
        bytes.extend_from_slice(piece);
    }
    let mut parser = HeaderParser::default();
    match parser.push(&bytes)? {
        Some((header, _)) => read_importance(&header, &bytes),
        None => Err(parser.finish()),
    }
}
