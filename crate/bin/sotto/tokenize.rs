//! `sotto tokenize`: the tokens of texts.

use clap::Args;
use serde_json::json;
use sotto::base::error::Result;
use sotto::text::tokenizer::EncodeOptions;
use sotto::wire::options::TokenizeOptions;

use crate::flags::Flags;
use crate::input::{Item, TextInput};
use crate::output::{out, print, with_name};
use crate::source;

#[derive(Args)]
pub struct Tokenize {
    /// A GGUF file, a folder with a repository of safetensors, or the URL of either; headers are enough
    #[arg(long)]
    model: String,
    #[command(flatten)]
    input: TextInput,
    #[command(flatten)]
    options: Flags<TokenizeOptions>,
    /// Both --add-special and --parse-special
    #[arg(long)]
    special: bool,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub fn run(args: Tokenize) -> Result<()> {
    let items = args.input.read()?;
    let mut options: EncodeOptions = args.options.read("tokenize")?.into();
    options.add_special |= args.special;
    options.parse_special |= args.special;
    let text_side = source::open_text(&args.model, false, None)?;
    let tokenizer = text_side.tokenizer()?;
    let mut results = Vec::new();
    for Item { name, text } in items.list {
        let ids = tokenizer.encode(&text, options)?;
        let pieces: Vec<&str> = ids.iter().map(|&id| tokenizer.token_text(id).unwrap_or_default()).collect();
        if args.json {
            results.push(with_name(json!({ "ids": ids, "pieces": pieces }), name.as_ref()));
        } else {
            let label = name.map(|name| format!("## {name}\n")).unwrap_or_default();
            let lines = ids.iter().zip(pieces).map(|(id, piece)| format!("{id:>7} {piece:?}\n"));
            out(format_args!("{label}{}", lines.collect::<String>()));
        }
    }
    if args.json {
        print(results, items.batch);
    }
    Ok(())
}
