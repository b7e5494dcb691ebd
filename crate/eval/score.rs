//! How likely a model finds a text.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bail;
use crate::base::error::Result;
use crate::model::store::SequenceId;
use crate::run::adapters::Wanted;
use crate::run::batch::{Batch, Row};
use crate::run::engine::{Engine, Prompt};

/// How well the model predicts a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScoreResult")]
pub struct Score {
    /// The text's token ids.
    pub tokens: Vec<u32>,
    /// Mean of -ln p(token | tokens before it), over all tokens but the first; 0 for a single token.
    pub nll_mean: f64,
    /// e to the power of `nllMean`.
    pub perplexity: f64,
    /// The ten best (id, logit) after the last token.
    pub top: Vec<(u32, f32)>,
}

/// Scores a text, read with its special tokens parsed and BOS as the file says.
pub async fn score(engine: &mut Engine, text: &str) -> Result<Score> {
    score_with(engine, text, &Wanted::new()).await
}

/// The same, with adapters.
pub async fn score_with(engine: &mut Engine, text: &str, adapter: &Wanted) -> Result<Score> {
    engine.check_writes()?;
    let blend = engine.blend(adapter)?;
    let tokens = engine.encode(&Prompt::Raw(text.into()))?;
    let n_vocab = engine.model.net.n_vocab as usize;
    if tokens.iter().any(|&t| t as usize >= n_vocab) {
        bail!(
            BadMetadata,
            "The tokenizer's ids exceed the model's {n_vocab} logits; the file's tokenizer does not fit its weights."
        );
    }
    let sequence = engine.open_with(tokens.len() as u32, &blend)?;
    let score = score_in(engine, sequence, tokens).await;
    engine.close(sequence);
    score
}

/// Scores the tokens in a sequence with room for them, from its first position on; it stays open.
pub async fn score_in(engine: &mut Engine, sequence: SequenceId, tokens: Vec<u32>) -> Result<Score> {
    let (nll, last) = read(engine, sequence, &tokens).await?;
    let n_vocab = last.len();
    let nll_mean = nll / (tokens.len() - 1).max(1) as f64;
    let mut ids: Vec<u32> = (0..n_vocab as u32).collect();
    ids.sort_by(|&a, &b| last[b as usize].total_cmp(&last[a as usize]).then(a.cmp(&b)));
    let top = ids.iter().take(10).map(|&id| (id, last[id as usize])).collect();
    Ok(Score { tokens, nll_mean, perplexity: nll_mean.exp(), top })
}

/// The sum of -ln p over all tokens but the first, and the logits after the last.
async fn read(engine: &mut Engine, sequence: SequenceId, tokens: &[u32]) -> Result<(f64, Vec<f32>)> {
    let n_vocab = engine.model.net.n_vocab as usize;
    let mut nll = 0.0;
    let mut last = Vec::new();
    let step = engine.model.sizes.max_outputs as usize;
    for (chunk, start) in tokens.chunks(step).zip((0..).step_by(step)) {
        let rows = chunk.iter().zip(start..).map(|(&token, position)| Row {
            token,
            position: position as u32,
            sequence,
            logits: true,
        });
        let logits = engine.forward(&Batch { rows: rows.collect(), prefill: true }).await?;
        for (row, next) in logits.chunks_exact(n_vocab).zip(&tokens[start + 1..]) {
            nll += log_sum_exp(row) - row[*next as usize] as f64;
        }
        last = logits[logits.len() - n_vocab..].to_vec();
    }
    Ok((nll, last))
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    top + logits.iter().map(|&l| (l as f64 - top).exp()).sum::<f64>().ln()
}
