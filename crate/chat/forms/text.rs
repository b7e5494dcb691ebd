//! The grammar of a string that is written without quotes, up to a closing text: it never holds that text, so who reads it
//! finds the same end.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::grammar::{Control, Cut, cut, literal, quoted, text_value};
use crate::bail;
use crate::base::error::Result;

/// Keywords that bound a string, and are kept by the module of grammars.
pub(super) const BOUNDS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
/// Keywords whose values are no schemas.
pub(super) const DATA: [&str; 4] = ["enum", "const", "default", "examples"];
/// Keywords of all arguments together that are kept where they are written one by one, and those that say nothing.
const OF_ALL: [&str; 16] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "additionalProperties",
    "default",
    "definitions",
    "description",
    "examples",
    "properties",
    "required",
    "title",
    "type",
    "x-guidance",
    "x-owner",
    "x-path",
];

/// Where a schema is a lone `$ref` into `root`, what that leads to.
pub(in crate::chat) fn resolved<'a>(root: &'a Json, mut schema: &'a Json) -> &'a Json {
    for _ in 0..32 {
        let lone = schema.as_object().filter(|map| map.keys().all(|key| key == "$ref" || key == "description"));
        let target = lone.and_then(|map| root.pointer(map.get("$ref")?.as_str()?.strip_prefix('#')?));
        let Some(target) = target else { break };
        schema = target;
    }
    schema
}

/// A schema with its references, which lead into `root`, and what they lead to within itself.
pub(super) fn alone(root: &Json, schema: &Json) -> Map<String, Json> {
    let mut own = schema.clone();
    if moved(&mut own) {
        let mut whole = root.as_object().cloned().unwrap_or_default();
        whole.retain(|key, _| key != "$id" && key != "id" && key != "x-guidance" && key != "x-owner");
        let mut whole = Json::Object(whole);
        moved(&mut whole);
        own["$defs"] = serde_json::json!({ "whole": whole });
    }
    match own {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// References lead to where the whole schema is now; whether there is one.
fn moved(value: &mut Json) -> bool {
    match value {
        Json::Array(list) => list.iter_mut().fold(false, |any, one| moved(one) | any),
        Json::Object(map) => map.iter_mut().fold(false, |any, (key, value)| match value {
            Json::String(pointer) if key == "$ref" && pointer.starts_with('#') => {
                *pointer = format!("#/$defs/whole{}", &pointer[1..]);
                true
            }
            _ if DATA.contains(&key.as_str()) => any,
            value => moved(value) | any,
        }),
        _ => false,
    }
}

/// `BadOption` for a keyword of the arguments as a whole that is not kept.
pub(super) fn check_all(tool: &str, schema: &Map<String, Json>) -> Result<()> {
    match schema.keys().find(|key| !OF_ALL.contains(&key.as_str())) {
        Some(key) => bail!(
            BadOption,
            "In the parameters of the tool \"{tool}\": The schema's keyword \"{key}\" at /{key} is not enforced in this model's form of calls; take it out, or strict."
        ),
        None => Ok(()),
    }
}

/// One string, and its closing text.
pub(super) struct Text<'a> {
    pub tool: &'a str,
    pub name: &'a str,
    pub schema: &'a Json,
    pub end: &'a str,
    /// What is not kept is refused.
    pub strict: bool,
}

impl Text<'_> {
    /// Its grammar; rules that it needs are added, by the name `rule`. Errors: `BadOption` for what a strict tool asks for
    /// and is not kept, and where no value can be written.
    pub fn grammar(&self, control: Control<'_>, rule: &str, rules: &mut String) -> Result<String> {
        let Text { tool, name, schema, end, strict } = *self;
        let composed =
            ["$ref", "allOf", "anyOf", "oneOf", "not", "if"].into_iter().find(|key| schema.get(key).is_some());
        if let Some(key) = composed.filter(|_| strict) {
            bail!(
                BadOption,
                "In the parameters of the tool \"{tool}\": The schema's keyword \"{key}\" of {name} is not enforced where this model writes strings without quotes; take it out, or strict."
            );
        }
        let is_bounded = BOUNDS.iter().any(|keyword| schema.get(keyword).is_some());
        let constants = schema["enum"].as_array().cloned().or_else(|| Some(vec![schema.get("const")?.clone()]));
        if let Some(constants) = constants {
            let words = constants.iter().filter_map(Json::as_str).filter(|word| !self.is_hidden(word));
            let words: Vec<String> = words.map(quoted).collect();
            if words.is_empty() {
                bail!(
                    BadOption,
                    "In the parameters of the tool \"{tool}\": None of the values of {name} can be written in this model's form of calls: they hold \"{}\", or are no texts.",
                    end.trim()
                );
            }
            if !is_bounded {
                return Ok(format!("({}) {}", words.join(" | "), literal(end, control)));
            }
        }
        if !is_bounded {
            return Ok(text_value(end, control, rule, rules));
        }
        let first = match cut(end, control).into_iter().next() {
            Some(Cut::Text(text)) => text.trim_end(),
            // A control token is no text: nothing need be said of where the text ends.
            _ => "",
        };
        let rule = rule.to_uppercase();
        let mut bounded = schema.as_object().cloned().unwrap_or_default();
        bounded.retain(|key, _| {
            BOUNDS.contains(&key.as_str()) || ["type", "enum", "const"].contains(&key.as_str()) || key.starts_with("x-")
        });
        bounded.insert("x-end".into(), first.into());
        let _ = writeln!(rules, "{rule}: %text {}", Json::Object(bounded));
        Ok(format!("{rule} {}", literal(&end[first.len()..], control)))
    }

    /// Whether the closing text comes earlier than behind the value.
    fn is_hidden(&self, value: &str) -> bool {
        let end = self.end.trim();
        !end.is_empty() && format!("{value}{}", self.end).find(end).is_some_and(|at| at < value.len())
    }
}
