//! Two hundred tools, of whose calls one is forced.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sotto::base::error::Code;
use sotto::chat::forms::grammar::Grammar;
use sotto::chat::grammar::{Grammars, Spec, Syntax};
use sotto::chat::linked::Linked;
use sotto::text::tokenizer::Tokenizer;

use crate::common::memory::cost;
use crate::common::models;
use crate::replies::{kinds, of};

/// The forms whose grammars are least alike.
const KINDS: [&str; 3] = ["JSON in tags", "parameters in lines", "as in Python"];
/// What must be taken.
const TAKEN: [&str; 5] = ["small", "twenty", "fifty texts", "referring", "patterns"];
const MOST_BYTES: usize = 300 << 20;

fn many(n: usize, member: impl Fn(usize) -> Value) -> Value {
    (0..n).map(|i| (format!("property_{i}"), member(i))).collect::<Map<_, _>>().into()
}

/// What the parameters are like, and how many tools have them.
fn shapes() -> Vec<(&'static str, usize, Value)> {
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let leaf = |i: usize| match i % 5 {
        0 => json!({"type": "string", "description": "What it is about. ".repeat(10)}),
        1 => json!({"type": "integer", "minimum": 0, "maximum": 100 * i}),
        2 => json!({"enum": (0..20).map(|n| format!("value {n}")).collect::<Vec<_>>()}),
        3 => json!({"type": "array", "items": {"type": "string"}, "maxItems": 10}),
        _ => json!({"type": "boolean"}),
    };
    let nested = object(many(6, |_| object(many(6, |_| object(many(6, leaf))))));
    let referring = |n: usize| {
        json!({"type": "object", "properties": many(n, |_| json!({"$ref": "#/$defs/node"})),
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "value": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}}})
    };
    let mut required = object(many(300, leaf));
    required["required"] = (0..300).map(|i| format!("property_{i}")).collect();
    vec![
        ("small", 200, object(many(3, leaf))),
        ("twenty", 200, object(many(20, leaf))),
        ("fifty texts", 200, object(many(50, |_| json!({"type": "string"})))),
        ("four hundred", 200, object(many(400, leaf))),
        ("nested", 200, nested.clone()),
        ("nested, one", 1, nested),
        ("referring", 200, referring(10)),
        ("referring a lot", 200, referring(300)),
        ("one that refers a lot", 1, referring(2000)),
        (
            "alternatives",
            200,
            object(many(
                5,
                |_| json!({"anyOf": (0..20).map(|i| object(many(3, |j| leaf(i + j)))).collect::<Vec<_>>()}),
            )),
        ),
        (
            "one of",
            200,
            object(many(
                5,
                |_| json!({"oneOf": (0..20).map(|i| json!({"type": "object", "properties": {"kind": {"const": i}, "x": {"type": "string"}}, "required": ["kind"]})).collect::<Vec<_>>()}),
            )),
        ),
        ("lengths", 200, object(many(5, |_| json!({"type": "string", "minLength": 5000, "maxLength": 9000})))),
        (
            "patterns",
            200,
            object(many(10, |i| json!({"type": "string", "pattern": format!("^([a-z]{{1,{}}}[0-9]+)+x$", 20 + i)}))),
        ),
        ("multiples", 200, object(many(4, |i| json!({"type": "integer", "minimum": 0, "multipleOf": 9973 + i})))),
        ("required", 200, required),
        ("met", 200, json!({"allOf": [object(many(20, leaf)), object(many(20, |_| json!({})))]})),
        (
            "enums",
            200,
            object(many(3, |i| json!({"enum": (0..300).map(|n| format!("value {n} of {i}")).collect::<Vec<_>>()}))),
        ),
        ("descriptions", 200, object(many(10, |_| json!({"type": "string", "description": "word ".repeat(500)})))),
        (
            "wrong",
            200,
            object(many(
                10,
                |i| if i == 9 { json!({"type": "string", "minLength": 9, "maxLength": 2}) } else { leaf(i) },
            )),
        ),
    ]
}

/// Each with a property of its own, so that no two are alike.
fn tools(count: usize, parameters: &Value) -> Vec<Value> {
    let tool = |i: usize| {
        let mut parameters = parameters.clone();
        parameters["properties"][format!("own_{i}")] = json!({"type": "integer", "maximum": i});
        json!({"type": "function", "function": {"name": format!("tool_{i}"), "parameters": parameters}})
    };
    (0..count).map(tool).collect()
}

#[test]
fn many_tools_are_compiled_or_refused_in_little_memory() {
    let tokenizer = Arc::new(Tokenizer::from_metadata(&mut models::metadata(models::SMOLLM2)).expect("a tokenizer"));
    let grammars = Linked::new(&tokenizer).expect("a vocabulary");
    for (shape, count, parameters) in shapes() {
        let tools = tools(count, &parameters);
        for (kind, texts) in kinds().into_iter().filter(|(kind, _)| KINDS.contains(kind)) {
            let form = of(texts);
            let (outcome, bytes, _) = cost(|| {
                let grammar = Grammar { form: &form, tools: &tools, name: None, most: Some(8), before: "" };
                let grammar = grammar.text(&|_| None)?;
                let mut one = grammars.compile(&Spec::Grammar { grammar, syntax: Syntax::Lark })?;
                one.start()?;
                one.mask().map(drop)
            });
            let said = outcome.err().map(|error| (error.code, error.message));
            assert!(bytes < MOST_BYTES, "{shape}, {kind}: {bytes} bytes, {said:?}");
            let typed =
                |(code, why): &(Code, String)| *code == Code::BadOption && why.ends_with('.') && why.len() < 500;
            assert!(said.as_ref().is_none_or(typed), "{shape}, {kind}: {said:?}");
            if kind == KINDS[0] && TAKEN.contains(&shape) {
                assert_eq!(said, None, "{shape}");
            }
        }
    }
}
