//! The models of `tests/tiny/lib.rs`, of every tensor type, against float64 of the same weights.

use std::collections::BTreeMap;

use sotto::base::error::Result;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};

use crate::{Measure, argmax, compute_alone, largest_difference, load, log_sum_exp};

/// `tests/golden/tiny_NAME.json`
#[derive(serde::Deserialize)]
pub struct Golden {
    pub prompt: Vec<u32>,
    /// Position → [n_vocab].
    pub logits: BTreeMap<usize, Vec<f32>>,
    /// At every position.
    pub argmax: Vec<u32>,
    pub logsumexp: Vec<f64>,
    pub greedy: Vec<u32>,
    pub greedy_gaps: Vec<f32>,
}

/// Largest error of a logit. Logits spread over ±10, so the first is f32's rounding (1.3e-5 on lavapipe), the second
/// that of a cache of f16 (1.9e-2).
pub const CEILING_F32: f32 = 5e-5;
/// The same for a decoded row, whose product with weights that have an offset is the difference of two larger sums
/// (6.8e-5).
pub const CEILING_DECODED: f32 = 2e-4;
const CEILING_F16: f32 = 4e-2;

/// Where activations of quantised products are integers: of 15 or 16 bits (8.8e-4 on the CPU), and of 8 (0.65).
pub const CEILING_16_BITS: f32 = 5e-3;
pub const CEILING_8_BITS: f32 = 1.0;

/// The largest error that a logit of this model may have.
fn ceiling(name: &str, options: &LoadOptions) -> f32 {
    let ceiling = if options.kv == KvType::F32 { CEILING_F32 } else { CEILING_F16 };
    let is_float = ["f32", "f16", "bf16"].iter().any(|float| name.ends_with(float));
    match (options.backend == Backend::Webgpu || is_float, options.fast) {
        (true, _) => ceiling,
        (false, false) => ceiling.max(CEILING_16_BITS),
        (false, true) => ceiling.max(CEILING_8_BITS),
    }
}

/// How far a model is from its golden: logits of the prompt, how far decoding is from them, and by how much a greedy token
/// that is another one was behind.
pub async fn check(name: &str, want: &Golden, options: LoadOptions) -> Result<Vec<Measure>> {
    let (ceiling, kv) = (ceiling(name, &options), options.kv);
    let mut engine = load(&tiny_models::build(name).expect("a tiny model"), options).await?;
    let logits = compute_alone(&mut engine, &want.prompt, 16, true).await?;
    let n_vocab = engine.model.net.n_vocab as usize;
    let row = |position: usize| &logits[position * n_vocab..][..n_vocab];
    let mut floor = 0f32;
    for (&position, want) in &want.logits {
        floor = floor.max(largest_difference(row(position), want));
    }
    for (position, (&sum, &best)) in want.logsumexp.iter().zip(&want.argmax).enumerate() {
        floor = floor.max((log_sum_exp(row(position)) - sum).abs() as f32);
        // A golden argmax may only lose to a logit that is as good.
        let lead = row(position)[argmax(row(position)) as usize] - row(position)[best as usize];
        floor = floor.max(lead / 2.0);
    }
    let mut measures = vec![Measure { what: "logits", found: floor.into(), most: ceiling.into() }];
    if kv == KvType::F32 {
        // One token at a time takes other kernels.
        let decoded = compute_alone(&mut engine, &want.prompt, 1, false).await?;
        let (found, most) = (largest_difference(&logits, &decoded), ceiling.max(CEILING_DECODED));
        measures.push(Measure { what: "decoded", found: found.into(), most: most.into() });
    }
    let options = GenerateOptions { max_tokens: Some(16), ignore_eos: true, ..Default::default() };
    let mut generation = Generation::with_tokens(&mut engine, want.prompt.clone(), options)?;
    while generation.next(&mut engine).await?.is_some() {}
    let first = generation.tokens.iter().zip(&want.greedy).position(|(got, want)| got != want);
    let gap = first.map_or(0.0, |other| want.greedy_gaps[other]);
    measures.push(Measure { what: "gap", found: gap.into(), most: (4.0 * ceiling).into() });
    Ok(measures)
}
