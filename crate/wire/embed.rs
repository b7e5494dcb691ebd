//! What calls of a model that embeds take, and the texts that they are given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bail;
use crate::base::error::Result;
use crate::model::spec::{Gives, Pooling};
use crate::run::adapters::Wanted;
use crate::run::embed;
use crate::run::engine::Engine;

/// How texts become vectors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EmbedOptions {
    /// How the states of a text's tokens become one vector; by default as the file says.
    pub pooling: Option<Pooling>,
    /// `false` leaves vectors as long as they come; else their length is 1, so that a dot product is their cosine.
    pub normalize: bool,
    /// Numbers that are kept of each vector, the first ones, of models that were trained for it; by default all.
    #[schemars(range(min = 1))]
    pub dimensions: Option<u32>,
    /// What stands before each text, such as `query: `; what a model wants is on its page.
    pub prompt: Option<String>,
    /// Texts longer than the context lose their ends; else they are an error.
    pub truncate: bool,
    /// How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none.
    #[schemars(extend("tsType" = "Record<string, number>", "flag" = false))]
    pub adapter: Wanted,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        let adapter = Wanted::new();
        EmbedOptions { pooling: None, normalize: true, dimensions: None, prompt: None, truncate: false, adapter }
    }
}

/// How texts are scored.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScoringOptions {
    /// Texts longer than the context lose their ends; else they are an error.
    pub truncate: bool,
}

/// How masked words are filled in.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FillOptions {
    /// Words that are given, the likeliest first.
    #[schemars(range(min = 1, max = 100))]
    pub top: u32,
}

impl Default for FillOptions {
    fn default() -> Self {
        FillOptions { top: 5 }
    }
}

/// What may stand in a masked word's place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Filled {
    /// A token, as text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// How likely it is, from 0 to 1.
    pub score: f32,
}

/// A text, or its tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// Text.
    Text(String),
    /// Token ids, as they are.
    Tokens(Vec<u32>),
}

/// What a model gives of texts beside writing on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddingInfo {
    /// Numbers of a vector.
    pub dimensions: u32,
    /// How the states of a text's tokens become one vector, unless the caller says otherwise.
    pub pooling: Pooling,
    /// What its classifier tells apart; empty where it has none. A reranker has one label.
    pub labels: Vec<String>,
    /// What stands for a masked word in a text, where the model fills them in.
    pub mask: Option<String>,
}

impl EmbeddingInfo {
    /// `None` for a model that writes.
    pub fn of(engine: &Engine) -> Option<EmbeddingInfo> {
        let Gives::States { pooling, head, .. } = engine.model.net.gives else { return None };
        let labels = engine.labels.clone();
        let fills = head.is_some_and(|head| head.labels().is_none());
        let mask = engine.tokenizer.mask().filter(|_| fills).and_then(|id| engine.tokenizer.token_text(id));
        Some(EmbeddingInfo { dimensions: engine.model.net.n_embd, pooling, labels, mask: mask.map(String::from) })
    }
}

/// The vectors of texts. Errors: those of [`Engine::encode_texts`] and [`Engine::embed`].
pub async fn embed(engine: &mut Engine, texts: Vec<Input>, options: EmbedOptions) -> Result<Vec<embed::Embedding>> {
    let EmbedOptions { pooling, normalize, dimensions, prompt, truncate, adapter } = options;
    let options = embed::EmbedOptions { pooling, normalize, dimensions, adapter };
    let prompt = prompt.unwrap_or_default();
    let texts = texts.into_iter().enumerate().map(|(index, text)| match text {
        Input::Text(text) => engine.encode_for_states(index, &format!("{prompt}{text}"), None, truncate),
        Input::Tokens(tokens) => known(engine, index, tokens),
    });
    let texts = texts.collect::<Result<Vec<_>>>()?;
    engine.embed(&texts, &options).await
}

/// Tokens that a caller gives. `BadOption` where there is none, or one that the model does not have.
fn known(engine: &Engine, index: usize, tokens: Vec<u32>) -> Result<Vec<u32>> {
    let n_vocab = engine.model.net.n_vocab;
    if tokens.is_empty() {
        bail!(BadOption, "Text {index} is a list of no tokens; give some, as tokenize does.");
    }
    match tokens.iter().find(|token| **token >= n_vocab) {
        Some(token) => {
            bail!(BadOption, "Text {index} has the token {token}, and the model {n_vocab}; give ids of its own.")
        }
        None => Ok(tokens),
    }
}

/// The classifier's scores of texts: [texts][labels]; after a query, as a reranker reads it, if there is one. A language
/// model that ranks by its next word gives one score. Errors: `BadOption` after a query where the model has several labels; those of [`Engine::encode_for_states`], [`Engine::classify`],
/// [`Engine::encode_for_yes`] and [`Engine::yes`].
pub async fn scores(
    engine: &mut Engine,
    query: Option<&str>,
    texts: &[String],
    options: ScoringOptions,
) -> Result<Vec<Vec<f32>>> {
    let truncate = options.truncate;
    if let (Some(query), Some(prompt)) = (query, &engine.templates.rerank) {
        let encode = |(index, text): (usize, &String)| engine.encode_for_yes(index, prompt, query, text, truncate);
        let prompts = texts.iter().enumerate().map(encode).collect::<Result<Vec<_>>>()?;
        return Ok(engine.yes(&prompts).await?.into_iter().map(|score| vec![score]).collect());
    }
    if query.is_some() && engine.labels.len() > 1 {
        bail!(
            BadOption,
            "This model tells {} labels apart ({}) and ranks nothing; take a reranker, or classify.",
            engine.labels.len(),
            engine.labels.join(", ")
        );
    }
    let texts = texts.iter().enumerate().map(|(index, text)| match query {
        Some(query) => engine.encode_for_states(index, query, Some(text), truncate),
        None => engine.encode_for_states(index, text, None, truncate),
    });
    let texts = texts.collect::<Result<Vec<_>>>()?;
    engine.classify(&texts).await
}

/// What may stand in the place of a text's masked word. Errors: those of [`Engine::encode_masked`] and [`Engine::fill`].
pub async fn fill(engine: &mut Engine, text: &str, options: FillOptions) -> Result<Vec<Filled>> {
    let (tokens, place) = engine.encode_masked(text)?;
    let scores = probabilities(&engine.fill(tokens, place).await?);
    let mut best: Vec<usize> = Vec::new();
    for (id, score) in scores.iter().enumerate() {
        // Few of many: each goes to its place.
        let place = best.partition_point(|&other| scores[other] >= *score);
        if place < options.top as usize {
            best.truncate(options.top as usize - 1);
            best.insert(place, id);
        }
    }
    let filled =
        |id: usize| Filled { token: engine.tokenizer.decode(&[id as u32], true), id: id as u32, score: scores[id] };
    Ok(best.into_iter().map(filled).collect())
}

/// Probabilities of labels: of one alone by the logistic function, of several by softmax.
pub fn probabilities(scores: &[f32]) -> Vec<f32> {
    if let [score] = scores {
        return vec![(1.0 / (1.0 + f64::from(-score).exp())) as f32];
    }
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = scores.iter().map(|score| f64::from(score - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}
