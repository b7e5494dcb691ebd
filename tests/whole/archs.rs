//! The rows of `tests/tiny/archs.rs`, against llama.cpp.

use std::collections::BTreeMap;
use std::ops::Range;

use sotto::base::error::Result;
use sotto::base::precision::KvType;
use sotto::run::batch::{Batch, Row};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use tiny_models::archs;

use crate::{Measure, load, log_sum_exp, rows, squared_error};

/// `tests/golden/archs.json`: of each row llama.cpp's logits after some tokens of the prompt, every so many of them, and
/// their logsumexp after every token.
#[derive(serde::Deserialize)]
pub struct Goldens {
    prompt: Vec<u32>,
    rows: Vec<usize>,
    stride: usize,
    pub archs: BTreeMap<String, Golden>,
}

#[derive(serde::Deserialize)]
pub struct Golden {
    logits: Vec<Vec<f32>>,
    logsumexp: Vec<f64>,
}

/// The largest error: squared distances from llama.cpp's logits over their squares; and of a logsumexp.
const MOST: f64 = 1e-6;
const MOST_OF_A_SUM: f64 = 5e-3;

/// How far a row is from its golden.
pub async fn check(row: &archs::Row, goldens: &Goldens, options: LoadOptions) -> Result<Vec<Measure>> {
    let golden = &goldens.archs[&row.name.replace('/', "-")];
    let options = LoadOptions { kv: KvType::F32, max_rows: Some(16), ..options };
    let mut engine = load(&row.assemble().to_bytes(), options).await?;
    let logits = run(&mut engine, &goldens.prompt).await?;
    let of = |decoded: bool| error(goldens, golden, &logits, decoded);
    Ok(vec![
        Measure { what: "prefilled", found: of(false), most: MOST },
        Measure { what: "decoded", found: of(true), most: MOST },
        Measure { what: "sums", found: sums(golden, &logits), most: MOST_OF_A_SUM },
    ])
}

/// Tokens of the prompt that are prefilled; the others are decoded.
const PREFILLED: u32 = 26;

/// (which of two sequences, which tokens)
type Part = (usize, Range<u32>);

/// The prompt in two sequences at once: [sequence][position][n_vocab]. It is cut unlike in both: prefilled together and
/// alone, decoded two, one and three tokens at a time.
async fn run(engine: &mut Engine, prompt: &[u32]) -> Result<[Vec<Vec<f32>>; 2]> {
    let mut steps: Vec<(Vec<Part>, bool)> = vec![
        (vec![(0, 0..9), (1, 0..5)], true),
        (vec![(0, 9..25)], true),
        (vec![(1, 5..12)], true),
        (vec![(0, 25..26), (1, 12..26)], true),
    ];
    steps.extend((PREFILLED..30).map(|p| (vec![(1, p..p + 1), (0, p..p + 1)], false)));
    steps.extend((30..40).map(|p| (vec![(0, p..p + 1)], false)));
    steps.extend((30..39).step_by(3).map(|p| (vec![(1, p..p + 3)], false)));
    steps.push((vec![(1, 39..40)], false));
    let sequences = [engine.open(prompt.len() as u32)?, engine.open(prompt.len() as u32)?];
    let mut logits = [Vec::new(), Vec::new()];
    for (parts, prefill) in steps {
        let part = |(of, at): &Part| -> Vec<Row> {
            rows(&prompt[at.start as usize..at.end as usize], at.start, sequences[*of].0, |_| true)
        };
        let batch = Batch { rows: parts.iter().flat_map(part).collect(), prefill };
        let found = engine.forward(&batch).await?;
        let n_vocab = engine.model.net.n_vocab as usize;
        for (row, logit) in batch.rows.iter().zip(found.chunks(n_vocab)) {
            logits[usize::from(row.sequence == sequences[1])].push(logit.to_vec());
        }
    }
    sequences.into_iter().for_each(|sequence| engine.close(sequence));
    Ok(logits)
}

/// The error of the logits that the golden has, of both sequences.
fn error(goldens: &Goldens, golden: &Golden, logits: &[Vec<Vec<f32>>; 2], decoded: bool) -> f64 {
    let wanted = goldens.rows.iter().zip(&golden.logits).filter(|(row, _)| (**row as u32 >= PREFILLED) == decoded);
    squared_error(wanted.flat_map(|(&row, want)| {
        let got = logits.iter().map(move |sequence| sequence[row].iter().step_by(goldens.stride));
        got.flat_map(|got| got.copied().zip(want.iter().copied()))
    }))
}

/// The largest error of a logsumexp.
fn sums(golden: &Golden, logits: &[Vec<Vec<f32>>; 2]) -> f64 {
    let pairs = logits.iter().flat_map(|sequence| sequence.iter().zip(&golden.logsumexp));
    pairs.map(|(logits, want)| (log_sum_exp(logits) - want).abs()).fold(0.0, |most, error| match error.is_nan() {
        true => f64::INFINITY,
        false => most.max(error),
    })
}
