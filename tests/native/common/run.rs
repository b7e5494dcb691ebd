//! Loads a model as a download arrives, runs rows of tokens on it, and reads the golden files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pollster::block_on;
use serde::de::DeserializeOwned;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};

/// Makes a test on each backend of every function, which takes the [`Backend`].
macro_rules! on_both_backends {
    ($($test:ident),* $(,)?) => {
        mod webgpu {
            $(#[test] fn $test() { super::$test(sotto::device::Backend::Webgpu) })*
        }
        mod cpu {
            $(#[test] fn $test() { super::$test(sotto::device::Backend::Cpu) })*
        }
    };
}
pub(crate) use on_both_backends;

/// The GPU of an engine that was loaded on one.
pub fn gpu(engine: &Engine) -> &Gpu {
    engine.device.gpu().expect("an engine on a GPU")
}

/// Pushes the file in pieces of odd sizes.
pub fn load(file: &[u8], options: LoadOptions) -> Result<Engine> {
    let mut loader = block_on(Loader::new(options))?;
    let mut rest = file;
    for size in [1, 3, 977, 4099, 65_537].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(size.min(rest.len()));
        loader.push(piece)?;
        rest = later;
    }
    block_on(loader.finish())
}

/// The rows of `tokens`, the first of which stands at `position`; `logits` says which want them. Sequences are numbered
/// as they are opened.
pub fn rows(tokens: &[u32], position: u32, sequence: u32, logits: impl Fn(u32) -> bool) -> Vec<Row> {
    let sequence = SequenceId(sequence);
    let numbered = tokens.iter().zip(position..);
    numbered.map(|(&token, position)| Row { token, position, sequence, logits: logits(position) }).collect()
}

/// Prefills `tokens` in a sequence of their own, in chunks of `chunk` rows; the logits of every one: [tokens][n_vocab].
pub fn prefill(engine: &mut Engine, tokens: &[u32], chunk: usize) -> Vec<f32> {
    let sequence = engine.open(tokens.len() as u32).expect("a sequence");
    let logits = compute(engine, tokens, sequence, 0, chunk, true);
    engine.close(sequence);
    logits
}

/// Decodes `tokens` in a sequence of their own, one at a time.
pub fn decode(engine: &mut Engine, tokens: &[u32]) -> Vec<f32> {
    let sequence = engine.open(tokens.len() as u32).expect("a sequence");
    let logits = compute(engine, tokens, sequence, 0, 1, false);
    engine.close(sequence);
    logits
}

/// The logits after every token of a sequence from `position` on.
pub fn compute(
    engine: &mut Engine,
    tokens: &[u32],
    sequence: SequenceId,
    position: u32,
    chunk: usize,
    prefill: bool,
) -> Vec<f32> {
    let mut logits = Vec::new();
    for (piece, start) in tokens.chunks(chunk).zip((position..).step_by(chunk)) {
        let batch = Batch { rows: rows(piece, start, sequence.0, |_| true), prefill };
        logits.extend(block_on(engine.forward(&batch)).expect("logits"));
    }
    logits
}

/// The largest difference between two logits of the same place; infinite where one is not a number.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, |m, d| if d.is_nan() { f32::INFINITY } else { m.max(d) })
}

pub fn argmax(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a)));
    best.expect("logits") as u32
}

pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) as f64;
    top + logits.iter().map(|&l| (l as f64 - top).exp()).sum::<f64>().ln()
}

/// A file of `tests/golden`.
pub fn golden<T: DeserializeOwned>(file: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `tests/golden/tiny_NAME.json`
#[derive(serde::Deserialize)]
pub struct TinyGolden {
    pub prompt: Vec<u32>,
    /// Position → [n_vocab].
    pub logits: BTreeMap<usize, Vec<f32>>,
    /// At every position.
    pub argmax: Vec<u32>,
    pub logsumexp: Vec<f64>,
    pub greedy: Vec<u32>,
    pub greedy_gaps: Vec<f32>,
}
