//! `sotto embed|rerank|classify|fill-mask`: vectors and scores of texts, and of words in them.

use clap::Args;
use serde_json::{Value, json};
use sotto::base::error::{Code, Error, Result};
use sotto::wire::embed::{EmbedOptions, FillOptions, Input, ScoringOptions, embed, fill, probabilities, scores};

use crate::adapters::Adapters;
use crate::flags::Flags;
use crate::input::{Item, TextInput, read};
use crate::model::Model;
use crate::output::{print, with_name};

#[derive(Args)]
pub struct Embed {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: TextInput,
    #[command(flatten)]
    adapters: Adapters,
    #[command(flatten)]
    options: Flags<EmbedOptions>,
}

pub async fn run(args: Embed) -> Result<()> {
    let items = args.input.read()?;
    let options = args.options.read("embed")?;
    let in_json = args.model.json;
    let (mut engine, _) = args.model.load().await?;
    let adapter = args.adapters.load(&mut engine).await?;
    let texts = items.list.iter().map(|item| Input::Text(item.text.clone())).collect();
    let found = embed(&mut engine, texts, EmbedOptions { adapter, ..options }).await?;
    let mut results = Vec::new();
    for (Item { name, .. }, found) in items.list.iter().zip(found) {
        if in_json {
            let values: Vec<f64> = found.values.iter().map(|&value| value.into()).collect();
            let vector = match values.len() == found.dimensions {
                true => json!(values),
                false => values.chunks_exact(found.dimensions).collect(),
            };
            results.push(with_name(json!({ "tokens": found.tokens, "embedding": vector }), name.as_ref()));
        } else {
            let label = name.as_ref().map(|n| format!("{n}: ")).unwrap_or_default();
            let first: Vec<String> = found.values.iter().take(8).map(|value| format!("{value:.4}")).collect();
            print_line!("{label}{} tokens, {} numbers: {} ...", found.tokens, found.values.len(), first.join(" "));
        }
    }
    if in_json {
        print(results, items.batch);
    }
    Ok(())
}

#[derive(Args)]
pub struct Rerank {
    #[command(flatten)]
    model: Model,
    /// A JSON array of {"name", "query", "documents"}
    #[arg(long)]
    batch: String,
    #[command(flatten)]
    options: Flags<ScoringOptions>,
}

#[derive(serde::Deserialize)]
struct Query {
    #[serde(default)]
    name: Option<String>,
    query: String,
    documents: Vec<String>,
}

pub async fn rerank(args: Rerank) -> Result<()> {
    let queries: Vec<Query> = serde_json::from_str(&read(&args.batch)?).map_err(|e| {
        let wanted = "an array of {\"name\", \"query\", \"documents\"}";
        Error::new(Code::BadOption, format!("'{}' is not {wanted} ({e}).", args.batch))
    })?;
    let options = args.options.read("rerank")?;
    let in_json = args.model.json;
    let (mut engine, _) = args.model.load().await?;
    let mut results = Vec::new();
    for Query { name, query, documents } in queries {
        let found = scores(&mut engine, Some(&query), &documents, options).await?;
        let found: Vec<f64> = found.iter().map(|scores| scores[0].into()).collect();
        if in_json {
            results.push(with_name(json!({ "scores": found }), name.as_ref()));
            continue;
        }
        print_line!("## {query}");
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| found[b].total_cmp(&found[a]));
        order.iter().for_each(|&i| print_line!("{:>8.3} {}", found[i], documents[i]));
    }
    if in_json {
        print(results, true);
    }
    Ok(())
}

#[derive(Args)]
pub struct Classify {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: TextInput,
    #[command(flatten)]
    options: Flags<ScoringOptions>,
}

pub async fn classify(args: Classify) -> Result<()> {
    let items = args.input.read()?;
    let options = args.options.read("classify")?;
    let in_json = args.model.json;
    let (mut engine, _) = args.model.load().await?;
    let texts: Vec<String> = items.list.iter().map(|item| item.text.clone()).collect();
    let found = scores(&mut engine, None, &texts, options).await?;
    let mut results = Vec::new();
    for (Item { name, .. }, found) in items.list.iter().zip(found) {
        let mut labels: Vec<(&str, f32)> =
            engine.labels.iter().map(String::as_str).zip(probabilities(&found)).collect();
        labels.sort_by(|a, b| b.1.total_cmp(&a.1));
        if in_json {
            results.push(with_name(json!({ "labels": as_json(&labels) }), name.as_ref()));
        } else {
            show(name.as_ref(), &labels);
        }
    }
    if in_json {
        print(results, items.batch);
    }
    Ok(())
}

#[derive(Args)]
pub struct FillMask {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: TextInput,
    #[command(flatten)]
    options: Flags<FillOptions>,
}

pub async fn fill_mask(args: FillMask) -> Result<()> {
    let items = args.input.read()?;
    let options = args.options.read("fillMask")?;
    let in_json = args.model.json;
    let (mut engine, _) = args.model.load().await?;
    let mut results = Vec::new();
    for Item { name, text, .. } in &items.list {
        let found = fill(&mut engine, text, options).await?;
        let top: Vec<(&str, f32)> = found.iter().map(|word| (word.token.as_str(), word.score)).collect();
        if in_json {
            results.push(with_name(json!({ "top": as_json(&top) }), name.as_ref()));
        } else {
            show(name.as_ref(), &top);
        }
    }
    if in_json {
        print(results, items.batch);
    }
    Ok(())
}

/// Texts with how likely each is.
fn as_json(shares: &[(&str, f32)]) -> Vec<Value> {
    shares.iter().map(|&(text, p)| json!([text, f64::from(p)])).collect()
}

/// The same, for people.
fn show(name: Option<&String>, shares: &[(&str, f32)]) {
    let label = name.map(|n| format!("{n}: ")).unwrap_or_default();
    let all: Vec<String> = shares.iter().map(|(text, p)| format!("{text} {p:.3}")).collect();
    print_line!("{label}{}", all.join(", "));
}
