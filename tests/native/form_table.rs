//! `docs/FORMS.md`: how the models of real chat templates write calls and thoughts, as Sotto reads it off them.
//! `SOTTO_FORMS=write cargo test --release --test native form_table` writes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, json};
use sotto::chat::forms::{Form, Origin, Written};
use sotto::chat::reasoning::ReasoningForm;

use super::forms::templates;

const HEAD: &str = "\
# How models write tool calls

Generated from the code by `SOTTO_FORMS=write cargo test --release --test native form_table`: what Sotto reads off each chat
template that llama.cpp's source has. The call is that of a tool `get_weather` for Paris, as the model writes it; `\\n` is the end
of a line. That such calls come back as they were, in pieces of one character too, is a test of its own
(`tests/native/forms.rs`).

- *found*: `template`, read off what it renders; `table`, known by a word of the template (`crate/chat/forms/table.rs`); `own`,
  Sotto's own form, where the template knows no tools.
- *several*: whether one reply may hold several calls.
";

fn code(text: &str) -> String {
    let text = text.replace('\n', "\\n").replace('|', "\\|");
    let marks = if text.contains('`') { "``" } else { "`" };
    format!("{marks} {text} {marks}")
}

/// The rows of one table: what is in front, and the templates of which it holds.
fn rows(groups: &BTreeMap<String, Vec<String>>) -> String {
    groups.iter().map(|(front, names)| format!("{front} {} |\n", names.join(", "))).collect()
}

#[test]
fn the_table_of_forms_is_fresh() {
    let Some(all) = templates() else { return };
    let (mut calls, mut thoughts) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
    let Some(arguments) = json!({"city": "Paris"}).as_object().cloned() else { unreachable!("an object") };
    for (name, template) in all {
        let form = Form::of(&template, &Map::new());
        let id = Some(if form.id_of_name { "functions.get_weather:0" } else { "abcdef000" }.to_string());
        let written = form.write(&[Written { id, name: "get_weather".into(), arguments: arguments.clone() }]);
        let found = match form.origin {
            Origin::Template => "template",
            Origin::Table => "table",
            Origin::Own => "own",
        };
        let several = if form.several { "yes" } else { "no" };
        calls.entry(format!("| {} | {found} | {several} |", code(&written))).or_default().push(name.clone());
        if let Some(ReasoningForm { open, close, .. }) = ReasoningForm::derive(&template, &Map::new()) {
            thoughts.entry(format!("| {} | {} |", code(&open), code(&close))).or_default().push(name);
        }
    }
    let text = format!(
        "{HEAD}\n| A call | found | several | Templates |\n|---|---|---|---|\n{}\n## Thoughts\n\n\
         | before a thought | after it | Templates |\n|---|---|---|\n{}",
        rows(&calls),
        rows(&thoughts)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMS.md");
    if std::env::var("SOTTO_FORMS").is_ok_and(|word| word == "write") {
        std::fs::write(&path, text).expect("docs");
        return;
    }
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|known| known == text),
        "docs/FORMS.md is not fresh: SOTTO_FORMS=write cargo test --release --test native form_table"
    );
}
