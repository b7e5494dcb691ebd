//! `sotto score`: how well the model predicts texts.

use clap::Args;
use sotto::base::error::Result;
use sotto::eval;

use crate::adapters::Adapters;
use crate::input::{Item, TextInput};
use crate::model::Model;
use crate::output::{json, print, with_name};

#[derive(Args)]
pub struct Score {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: TextInput,
    #[command(flatten)]
    adapters: Adapters,
}

pub async fn run(args: Score) -> Result<()> {
    let items = args.input.read()?;
    let in_json = args.model.json;
    let (mut engine, _) = args.model.load().await?;
    let adapter = args.adapters.load(&mut engine).await?;
    let mut results = Vec::new();
    for Item { name, text } in items.list {
        let score = eval::score_with(&mut engine, &text, &adapter).await?;
        if in_json {
            results.push(with_name(json(&score)?, name.as_ref()));
        } else {
            let label = name.map(|n| format!("{n}: ")).unwrap_or_default();
            print_line!(
                "{label}{} tokens, mean NLL {:.4}, perplexity {:.3}",
                score.tokens.len(),
                score.nll_mean,
                score.perplexity
            );
        }
    }
    if in_json {
        print(results, items.batch);
    }
    Ok(())
}
