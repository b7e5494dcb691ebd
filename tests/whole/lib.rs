//! What whole tiny models compute, against their goldens: natively as tests, and in a browser (`npm run test:archs`).

pub mod archs;
pub mod described;
pub mod encoders;
#[cfg(target_arch = "wasm32")]
mod web;

use sotto::base::error::Result;
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};

/// An error that was measured, and how large it may be.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Measure {
    pub what: &'static str,
    pub found: f64,
    pub most: f64,
}

impl Measure {
    /// What is no number is too large as well.
    pub fn is_too_large(&self) -> bool {
        self.found.is_nan() || self.found > self.most
    }
}

/// `prefilled 1.2e-13, decoded 2.3e-13`
pub fn shown(measures: &[Measure]) -> String {
    let each = measures.iter().map(|measure| format!("{} {:.1e}", measure.what, measure.found));
    each.collect::<Vec<_>>().join(", ")
}

/// What is wrong, if anything is.
pub fn failure(measures: &[Measure]) -> Option<String> {
    measures.iter().any(Measure::is_too_large).then(|| shown(measures))
}

/// Pushes the file in pieces of odd sizes.
pub async fn load(file: &[u8], options: LoadOptions) -> Result<Engine> {
    let mut loader = Loader::new(options).await?;
    let mut rest = file;
    for size in [1, 3, 977, 4099, 65_537].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(size.min(rest.len()));
        loader.push(piece)?;
        rest = later;
    }
    loader.finish().await
}

/// The rows of `tokens`, the first of which stands at `position`; `logits` says which want them. Sequences are numbered
/// as they are opened.
pub fn rows(tokens: &[u32], position: u32, sequence: u32, logits: impl Fn(u32) -> bool) -> Vec<Row> {
    let sequence = SequenceId(sequence);
    let numbered = tokens.iter().zip(position..);
    numbered.map(|(&token, position)| Row { token, position, sequence, logits: logits(position) }).collect()
}

/// The logits after every token of a sequence from `position` on.
pub async fn compute(
    engine: &mut Engine,
    tokens: &[u32],
    sequence: SequenceId,
    position: u32,
    chunk: usize,
    prefill: bool,
) -> Result<Vec<f32>> {
    let mut logits = Vec::new();
    for (piece, start) in tokens.chunks(chunk).zip((position..).step_by(chunk)) {
        let batch = Batch { rows: rows(piece, start, sequence.0, |_| true), prefill };
        logits.extend(engine.forward(&batch).await?);
    }
    Ok(logits)
}

/// The same of a sequence of its own, from its beginning.
pub async fn compute_alone(engine: &mut Engine, tokens: &[u32], chunk: usize, prefill: bool) -> Result<Vec<f32>> {
    let sequence = engine.open(tokens.len() as u32)?;
    let logits = compute(engine, tokens, sequence, 0, chunk, prefill).await;
    engine.close(sequence);
    logits
}

/// The largest difference between two logits of the same place; infinite where one is not a number.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, |m, d| if d.is_nan() { f32::INFINITY } else { m.max(d) })
}

/// Squared distances over squares.
pub fn squared_error(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let mut sums = [0.0; 2];
    for (got, want) in pairs {
        let (got, want) = (f64::from(got), f64::from(want));
        sums[0] += (got - want).powi(2);
        sums[1] += want.powi(2);
    }
    sums[0] / sums[1]
}

pub fn argmax(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a)));
    best.expect("logits") as u32
}

pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = f64::from(logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
    top + logits.iter().map(|&l| (f64::from(l) - top).exp()).sum::<f64>().ln()
}
