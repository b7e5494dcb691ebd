//! `sotto template`: the texts that a chat template makes of messages.

use clap::Args;
use serde_json::{Map, Value, json};
use sotto::base::error::{Code, Error, Result};
use sotto::text::template::RenderOptions;
use sotto::wire::check::checked;
use sotto::wire::header::ModelText;
use sotto::wire::options::RenderChatOptions;
use sotto::wire::schema::options_of;

use crate::input;
use crate::output::{print, with_name};
use crate::source;

#[derive(Args)]
pub struct Template {
    #[command(flatten)]
    source: Source,
    /// A JSON array of {"name", "messages", "tools"?, "add_generation_prompt"?, "variables"?, "now"?}
    #[arg(long)]
    batch: String,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A Jinja file
    #[arg(long)]
    template: Option<String>,
    /// A GGUF file, a folder with a repository of safetensors, or the URL of either; headers are enough
    #[arg(long)]
    model: Option<String>,
}

pub fn run(args: Template) -> Result<()> {
    let batch = input::objects(&args.batch)?;
    let text_side = match (args.source.template, args.source.model) {
        (Some(path), _) => ModelText::of_template(input::read(&path)?)?,
        (None, model) => source::open_text(&model.unwrap_or_default(), false, None)?,
    };
    let render = |item| {
        let (messages, options) = read(item)?;
        text_side.render(&messages, &options)
    };
    let mut results = Vec::new();
    for mut item in batch {
        let name = item.remove("name").and_then(|name| name.as_str().map(str::to_string));
        let rendered = render(item);
        if args.json {
            let result = match rendered {
                Ok(text) => json!({ "text": text }),
                Err(error) => json!({ "error": { "code": error.code.as_str(), "message": error.message } }),
            };
            results.push(with_name(result, name.as_ref()));
        } else {
            let text = rendered.unwrap_or_else(|error| error.to_string());
            print_line!("## {}\n{text}", name.unwrap_or_default());
        }
    }
    if args.json {
        print(results, true);
    }
    Ok(())
}

/// The messages of an item, and the rest as the options of `renderChat`.
fn read(mut item: Map<String, Value>) -> Result<(Value, RenderOptions)> {
    let messages = item.remove("messages").unwrap_or_default();
    let options = item.into_iter().map(|(name, value)| (camel(&name), value)).collect();
    let options = checked("renderChat", &options_of::<RenderChatOptions>(), options, str::to_string)?;
    let options: RenderChatOptions = serde_json::from_value(options)
        .map_err(|e| Error::new(Code::BadOption, format!("The item is not understood ({e}).")))?;
    Ok((messages, options.into()))
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |all, word| match word.chars().next() {
        Some(letter) => all + &letter.to_uppercase().to_string() + &word[letter.len_utf8()..],
        None => all,
    })
}
