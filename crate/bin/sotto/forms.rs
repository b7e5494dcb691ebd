//! `sotto forms`: a table of how the models of chat templates call tools and think.

use std::path::Path;

use clap::Args;
use serde_json::{Map, json};
use sotto::base::error::Result;
use sotto::chat::forms::{Form, Written};
use sotto::chat::reasoning::ReasoningForm;
use sotto::text::template::ChatTemplate;

use crate::input;

#[derive(Args)]
pub struct Forms {
    /// Jinja files
    #[arg(required = true)]
    templates: Vec<String>,
}

pub fn run(args: &Forms) -> Result<()> {
    print_line!("| Template | Read off | Two calls | Reasoning |\n|---|---|---|---|");
    for path in &args.templates {
        let template = ChatTemplate::new(&input::read(path)?);
        let name = Path::new(path).file_stem().map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned());
        let row = template.map_or_else(|error| format!("{} | | |", error.message), |template| row(&template));
        print_line!("| {name} | {row}");
    }
    Ok(())
}

fn row(template: &ChatTemplate) -> String {
    let variables = Map::new();
    let form = Form::of(template, &variables);
    let call = |name: &str, arguments| Written { id: None, name: name.into(), arguments };
    let arguments = Map::from_iter([("x".to_string(), json!("A")), ("y".to_string(), json!(1))]);
    let calls = [call("F", arguments), call("G", Map::new())];
    let calls = form.write(&calls[..if form.several { 2 } else { 1 }]);
    let reasoning = ReasoningForm::of(template, &variables);
    let origin = format!("{:?}", form.origin).to_lowercase();
    format!("{origin} | {} | {} |", code(&calls), code(&format!("{}…{}", reasoning.open, reasoning.close)))
}

/// As code in a table's cell.
fn code(text: &str) -> String {
    format!("``{}``", text.replace('\n', "⏎").replace('|', "\\|"))
}
