//! The rows of `tests/tiny/encoders.rs`, against float64.

use sotto::base::error::Result;
use sotto::kernels::cell;
use sotto::model::spec::Pooling;
use sotto::run::embed::EmbedOptions;
use sotto::run::loader::LoadOptions;
use tiny_models::archs::Row;

use crate::{Measure, load, squared_error};

/// `tests/golden/encoders.json`: of each row some texts, their states and their scores.
#[derive(serde::Deserialize)]
pub struct Golden {
    pub ids: Vec<u32>,
    types: Vec<u32>,
    mean: Vec<f32>,
    cls: Vec<f32>,
    last: Vec<f32>,
    scores: Option<Vec<f32>>,
    /// Logits of words in the middle one's place, one of so many.
    words: Option<Vec<f32>>,
}

/// One of so many logits is kept.
const STRIDE: usize = 11;

const MOST: f64 = 1e-9;

impl Golden {
    /// Its tokens as they are computed, their types in the bits above.
    pub fn text(&self) -> Vec<u32> {
        self.ids.iter().zip(&self.types).map(|(id, kind)| id | kind << cell::TOKEN.count_ones()).collect()
    }
}

type Vector = fn(&Golden) -> &Vec<f32>;
const WAYS: [(Pooling, Vector); 3] = [
    (Pooling::Mean, |golden| &golden.mean),
    (Pooling::Cls, |golden| &golden.cls),
    (Pooling::Last, |golden| &golden.last),
];

/// Squared distances over squares.
pub fn error(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    squared_error(got.iter().copied().zip(want.iter().copied()))
}

/// How far states, scores and words are from the goldens, at worst.
pub async fn check(row: &Row, goldens: &[Golden], options: LoadOptions) -> Result<Vec<Measure>> {
    let texts: Vec<Vec<u32>> = goldens.iter().map(Golden::text).collect();
    let mut errors = [("states", 0.0), ("scores", 0.0), ("words", 0.0)];
    // All texts in one batch; in two; in pieces, where no token sees those behind it.
    let pieces = (row.arch() == "qwen3").then_some(16);
    for max_rows in [64, 40].into_iter().chain(pieces) {
        let options = LoadOptions { max_rows: Some(max_rows), context: Some(40), ..options.clone() };
        let mut engine = load(&row.assemble().to_bytes(), options).await?;
        let mut add =
            |of: usize, error: f64| errors[of].1 = if error.is_nan() { error } else { error.max(errors[of].1) };
        for (pooling, want) in WAYS {
            let options = EmbedOptions { pooling: Some(pooling), normalize: false, ..Default::default() };
            let found = engine.embed(&texts, &options).await?;
            for (embedding, golden) in found.iter().zip(goldens) {
                add(0, error(&embedding.values, want(golden)));
                assert_eq!((embedding.tokens, embedding.dimensions), (golden.ids.len(), golden.mean.len()));
            }
        }
        for golden in goldens {
            if let Some(want) = &golden.scores {
                add(1, error(&engine.classify(&[golden.text()]).await?[0], want));
            }
            if let Some(want) = &golden.words {
                let words = engine.fill(golden.text(), golden.ids.len() / 2).await?;
                add(2, error(&words.into_iter().step_by(STRIDE).collect::<Vec<_>>(), want));
            }
        }
    }
    Ok(errors.map(|(what, found)| Measure { what, found, most: MOST }).into())
}
