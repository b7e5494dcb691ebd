//! Mutants of tiny models: each is loaded and computes, or is refused with a code and a sentence, in bounded memory.
//!
//! `SOTTO_MUTANTS=100000 cargo test --release --test native mutants -- --nocapture` makes so many of whole models and ten times as
//! many of headers, and says how long they took.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::common::gguf_writer::Random;
use crate::common::memory::cost;
use crate::common::mutate::{change, change_bytes};
use pollster::block_on;
use sotto::base::error::{Code, Result};
use sotto::device::{Backend, CpuOptions};
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::run::engine::Prompt;
use sotto::run::loader::LoadOptions;
use tiny_models as tiny;
use tiny_models::gguf::Gguf;
use whole_models::{compute_alone, load};

/// Whole models that are made; `SOTTO_MUTANTS` says otherwise.
const MODELS: usize = 600;
const HEADERS_A_MODEL: usize = 10;
/// Bytes of the weights of those that are changed.
const MOST_DATA: usize = 3 << 19;
/// No mutant may take more memory than this.
const MOST_BYTES: usize = 256 << 20;

fn rounds() -> usize {
    let said = std::env::var("SOTTO_MUTANTS").ok();
    said.map_or(MODELS, |said| said.parse().expect("a number of rounds"))
}

/// Those of each architecture and of the tensor types that are not large.
fn sound() -> Vec<Gguf> {
    let rows = tiny::archs::ROWS.iter().chain(tiny::encoders::ROWS).map(tiny::archs::Row::assemble);
    let all = rows.chain(tiny::MODELS.iter().map(tiny::assemble));
    all.filter(|file| file.tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>() < MOST_DATA).collect()
}

/// What became of all mutants.
#[derive(Default)]
struct Report {
    taken: usize,
    /// The longest that a round took, the most bytes that one held, and which these were.
    slowest: (Duration, usize),
    most: (usize, usize),
    wrong: Vec<String>,
}

/// Does `work` for every round. It is wrong where it panics, gives a bug of ours for an error, or takes too much memory.
fn every_mutant(rounds: usize, what: &str, work: impl Fn(usize, &mut Random) -> Result<()>) {
    let begun = Instant::now();
    let mut report = Report::default();
    for round in 0..rounds {
        let mut random = Random::of_round(0x5077, round);
        let start = Instant::now();
        let (done, peak, _) = cost(|| catch_unwind(AssertUnwindSafe(|| work(round, &mut random))));
        report.slowest = report.slowest.max((start.elapsed(), round));
        report.most = report.most.max((peak, round));
        match done {
            Ok(Ok(())) => report.taken += 1,
            Ok(Err(error)) if error.code != Code::Internal && error.message.len() > 10 => {}
            Ok(Err(error)) => report.wrong.push(format!("{what} {round}: {error}")),
            Err(_) => report.wrong.push(format!("{what} {round} panicked")),
        }
        if peak >= MOST_BYTES {
            report.wrong.push(format!("{what} {round} took {peak} bytes"));
        }
    }
    let Report { taken, slowest, most, wrong } = report;
    println!(
        "{rounds} mutants, {:.0} a second: {taken} taken, the slowest ({what} {}) in {:?}, most memory ({what} {}) {} kB",
        rounds as f64 / begun.elapsed().as_secs_f64(),
        slowest.1,
        slowest.0,
        most.1,
        most.0 / 1024
    );
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(taken > rounds / 50 && taken < rounds, "{taken} of {rounds} mutants were taken");
}

/// The file without what its tensors hold, which lie where they lay.
fn bare(file: &Gguf) -> Gguf {
    let (mut bare, mut offset) = (file.clone(), 0);
    for tensor in &mut bare.tensors {
        tensor.offset = Some(offset);
        offset += tensor.data.len().next_multiple_of(32) as u64;
        tensor.data = Vec::new();
    }
    bare
}

#[test]
fn headers() {
    let files: Vec<Gguf> = sound().iter().map(bare).collect();
    let bytes: Vec<Vec<u8>> = files.iter().map(Gguf::header).collect();
    every_mutant(HEADERS_A_MODEL * rounds(), "header", |round, random| {
        let at = round % files.len();
        let mut header = match random.below(2) {
            0 => bytes[at].clone(),
            _ => {
                let mut file = files[at].clone();
                change(&mut file, random);
                file.header()
            }
        };
        if random.below(4) > 0 {
            change_bytes(&mut header, random);
        }
        let mut parser = HeaderParser::new();
        for piece in header.chunks(1 + random.below(header.len().max(1))) {
            if let Some((header, _)) = parser.push(piece)? {
                return model::read(&header.catalog).map(drop);
            }
        }
        Err(parser.finish())
    });
}

#[test]
fn whole_models() {
    let files = sound();
    every_mutant(rounds(), "model", |round, random| {
        let mut file = files[round % files.len()].clone();
        change(&mut file, random);
        let mut bytes = file.to_bytes();
        if random.below(4) == 0 {
            change_bytes(&mut bytes, random);
        }
        let cpu = CpuOptions { threads: Some(1), ..Default::default() };
        let options =
            LoadOptions { backend: Backend::Cpu, cpu, context: Some(64), context_at_most: true, ..Default::default() };
        let mut engine = block_on(load(&bytes, options))?;
        if let Ok(ids) = engine.encode(&Prompt::Raw("the cat 12".into())) {
            engine.tokenizer.decode(&ids, true);
        }
        // A context may be one token.
        let count = engine.model.sizes.context.min(2) as usize;
        block_on(compute_alone(&mut engine, &[1, 2][..count], 2, true)).map(drop)
    });
}
