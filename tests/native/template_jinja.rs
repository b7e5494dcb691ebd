//! Small templates print what Jinja prints (`tests/golden/make_jinja.py`).

use serde_json::Value as Json;
use sotto::text::template::{ChatTemplate, RenderOptions};

/// Where we print otherwise, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("{{ schema.properties.items() }}", "pairs are a list, not a view"),
    ("{{ range(3) }}", "a range is a list"),
    ("{{ 'a' < 1 }}", "values of any two kinds have an order"),
    ("{{ missing < 1 }}", "values of any two kinds have an order"),
];

#[test]
fn small_templates_print_what_jinja_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jinja.json");
    let golden: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut extra = golden["variables"].as_object().unwrap().clone();
    let messages = extra.remove("messages").unwrap();
    let options = RenderOptions { extra, now: Some(1_767_229_261), ..RenderOptions::default() };
    let mut wrong = Vec::new();
    for row in golden["rows"].as_array().unwrap() {
        let source = row[0].as_str().unwrap();
        let text = ChatTemplate::new(source).and_then(|template| template.render(&messages, &options));
        let same = match (&text, row[1].as_str()) {
            (Ok(text), Some(want)) => text == want,
            (got, want) => got.is_err() && want.is_none(),
        };
        if same == OTHERWISE.iter().any(|(template, _)| *template == source) {
            wrong.push(format!("{source}\n  want {}\n  have {text:?}", row[1]));
        }
    }
    assert!(wrong.is_empty(), "{} of these:\n{}", wrong.len(), wrong.join("\n"));
}
