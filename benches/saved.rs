//! `cargo bench --bench saved -- MODEL… [--tokens 1000] [--rounds 5]`: what a saved session spares on the CPU. A text is read, saved,
//! and put back, by turns; beside it the hash alone of what was saved. In seconds of this thread's processor, which others on the
//! machine do not lengthen as they do those of a clock (Linux only).

mod loading;

use std::hint::black_box;

use loading::load;
use pollster::block_on;
use sotto::base::error::Result;
use sotto::eval::median;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::saved::{Restorer, Saver};
use sotto::run::session::{GenerateOptions, Generation};
use xxhash_rust::xxh64::Xxh64;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |name: &str, usual: usize| {
        let at = given.iter().position(|arg| arg == name);
        at.and_then(|at| given.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let (tokens, rounds) = (number("--tokens", 1000), number("--rounds", 5));
    println!(
        "{:36} {:>7} {:>10} {:>8} {:>11} {:>8} {:>8}",
        "model", "tokens", "prefill, s", "save, s", "restore, s", "hash, s", "MB"
    );
    for path in given.iter().filter(|arg| arg.ends_with(".gguf")) {
        if let Err(error) = measure(path, tokens, rounds) {
            eprintln!("{path}: {error}");
            std::process::exit(1);
        }
    }
}

fn measure(path: &str, tokens: usize, rounds: usize) -> Result<()> {
    let mut engine = load(path, tokens as u32 + 64)?;
    let mut text = String::new();
    let mut read = Vec::new();
    for rule in 1.. {
        if read.len() >= tokens {
            break;
        }
        text += &format!("Rule {rule}: room {rule} is open from {} to {}. ", 7 + rule % 5, 15 + rule % 6);
        read = engine.encode(&Prompt::Raw(text.clone()))?;
    }
    read.truncate(tokens);
    let mut all = [const { Vec::new() }; 4];
    let mut bytes = 0;
    for _ in 0..rounds {
        engine.model.kv_mut().clear();
        let (prefill, right) = seconds(|| next(&mut engine, &read))?;
        let (saving, pieces) = seconds(|| save(&engine, &read))?;
        engine.model.kv_mut().clear();
        let (restoring, there) = seconds(|| restore(&mut engine, &pieces))?;
        let (hashing, ()) = seconds(|| {
            hash(&pieces);
            Ok(())
        })?;
        assert_eq!(there, read.len(), "all of it is there");
        assert_eq!(next(&mut engine, &read)?, right, "it goes on as it would have");
        bytes = pieces.iter().map(Vec::len).sum();
        all.iter_mut().zip([prefill, saving, restoring, hashing]).for_each(|(all, seconds)| all.push(seconds));
    }
    let [prefill, saving, restoring, hashing] = all.map(median);
    let name = path.rsplit('/').next().unwrap_or(path);
    println!(
        "{name:36} {tokens:7} {prefill:10.3} {saving:8.3} {restoring:11.3} {hashing:8.3} {:8.1}",
        bytes as f64 / 1e6
    );
    Ok(())
}

/// What comes after a text.
fn next(engine: &mut Engine, text: &[u32]) -> Result<Vec<u32>> {
    let options = GenerateOptions { max_tokens: Some(1), ignore_eos: true, ..Default::default() };
    let mut generation = Generation::with_tokens(engine, text.to_vec(), options)?;
    while block_on(generation.next(engine))?.is_some() {}
    Ok(generation.tokens)
}

fn save(engine: &Engine, text: &[u32]) -> Result<Vec<Vec<u8>>> {
    let mut saver = Saver::new(engine, text).expect("a text that was read");
    let mut pieces = Vec::new();
    while let Some(piece) = block_on(saver.next(engine))? {
        pieces.push(piece);
    }
    Ok(pieces)
}

fn restore(engine: &mut Engine, pieces: &[Vec<u8>]) -> Result<usize> {
    let mut restorer = Restorer::default();
    for piece in pieces {
        block_on(restorer.push(piece, engine))?;
    }
    block_on(restorer.finish(engine))
}

/// As it is made of each piece behind the others.
fn hash(pieces: &[Vec<u8>]) {
    let mut hash = Xxh64::new(0);
    for piece in pieces {
        hash.update(piece);
        black_box(hash.digest());
    }
}

/// How long this thread computed for it.
fn seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let before = computed();
    let result = work()?;
    Ok((computed() - before, result))
}

fn computed() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells how long a thread computed");
    let nanoseconds: f64 = told.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    nanoseconds * 1e-9
}
