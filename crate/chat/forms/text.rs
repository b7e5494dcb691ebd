//! The grammar of a string that is written without quotes, up to a closing text: it never holds that text, so who reads it
//! finds the same end.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::grammar::{Control, Cut, cut, literal, quoted, text_value};
use crate::bail;
use crate::base::error::Result;

/// Keywords of strings that are kept in no text without quotes.
const UNKEPT: [&str; 2] = ["pattern", "format"];
/// Longer limits are left to the model.
const MAX_LENGTH: u64 = 10_000;
/// Keywords of all arguments together that are kept where they are written one by one, and those that say nothing.
const OF_ALL: [&str; 15] = [
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
pub(super) fn alone(root: &Map<String, Json>, schema: &Json) -> Map<String, Json> {
    let mut out = schema.as_object().cloned().unwrap_or_default();
    let mut whole = root.clone();
    whole.retain(|key, _| key != "$id" && key != "id" && key != "x-guidance" && key != "x-owner");
    let (mut own, mut whole) = (Json::Object(std::mem::take(&mut out)), Json::Object(whole));
    if moved(&mut own) {
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
            // These are data.
            _ if ["enum", "const", "default", "examples"].contains(&key.as_str()) => any,
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
            "The keyword \"{key}\" of the strict tool \"{tool}\" is not enforced in this model's form of calls; take it out, or strict."
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
        let unkept = UNKEPT.into_iter().find(|key| schema.get(key).is_some());
        let composed =
            ["$ref", "allOf", "anyOf", "oneOf", "not", "if"].into_iter().find(|key| schema.get(key).is_some());
        if let Some(key) = unkept.or(composed).filter(|_| strict) {
            bail!(
                BadOption,
                "The keyword \"{key}\" of {name} of the strict tool \"{tool}\" is not enforced where this model writes strings without quotes; take it out, or strict."
            );
        }
        let length = |key: &str| schema[key].as_u64().filter(|length| *length <= MAX_LENGTH);
        let (least, most) = (length("minLength").unwrap_or(0), length("maxLength"));
        let constants = schema["enum"].as_array().cloned().or_else(|| Some(vec![schema.get("const")?.clone()]));
        if let Some(constants) = constants {
            let fits = |word: &&str| {
                let count = word.chars().count() as u64;
                !self.is_hidden(word) && count >= least && most.is_none_or(|most| count <= most)
            };
            let words: Vec<String> = constants.iter().filter_map(Json::as_str).filter(fits).map(quoted).collect();
            if words.is_empty() {
                bail!(
                    BadOption,
                    "The tool \"{tool}\" has {name}, of whose values none can be written in this model's form of calls: they hold \"{}\", or are no texts.",
                    end.trim()
                );
            }
            return Ok(format!("({}) {}", words.join(" | "), literal(end, control)));
        }
        let (shortest, longest) = (schema.get("minLength"), schema.get("maxLength"));
        if strict && (shortest.is_some_and(|_| length("minLength").is_none()) || longest.is_some() && most.is_none()) {
            bail!(
                BadOption,
                "A length of {name} of the strict tool \"{tool}\" is no whole number up to {MAX_LENGTH}, which is as much as can be enforced here."
            );
        }
        if least == 0 && most.is_none() {
            return Ok(text_value(end, control, rule, rules));
        }
        if most.is_some_and(|most| most < least) {
            bail!(BadOption, "The tool \"{tool}\" has {name}, whose maxLength is below its minLength.");
        }
        let most = most.map_or(String::new(), |most| most.to_string());
        let rule = rule.to_uppercase();
        let any = format!("(?s:.{{{least},{most}}})");
        let first = match cut(end, control).into_iter().next() {
            Some(Cut::Text(text)) => text.trim_end(),
            // A control token is no text: nothing need be said of where the text ends.
            _ => "",
        };
        // The text and its end are one lexeme, in which the end comes once.
        let _ = match first {
            "" => writeln!(rules, "{rule}: /{any}/"),
            first => {
                let once = escaped(first.trim_start());
                writeln!(rules, "{rule}: /{any}{}/ & ~/(?s:.*){once}(?s:.+)/", escaped(first))
            }
        };
        Ok(format!("{rule} {}", literal(&end[first.len()..], control)))
    }

    /// Whether the closing text comes earlier than behind the value.
    fn is_hidden(&self, value: &str) -> bool {
        let end = self.end.trim();
        !end.is_empty() && format!("{value}{}", self.end).find(end).is_some_and(|at| at < value.len())
    }
}

/// A text as an expression between slashes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, char| {
        let _ = match char {
            char if char.is_alphanumeric() => write!(out, "{char}"),
            char => write!(out, "\\u{{{:X}}}", u32::from(char)),
        };
        out
    })
}
