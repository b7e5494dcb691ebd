//! Why llguidance did not take a schema, in words of its reader, and where in the schema.

#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;

#[cfg(target_arch = "wasm32")]
use instant::Instant;
use serde_json::Value;

use super::{escaped, keywords, part, place, values};
use crate::{Refused, derives, limits, machine, watch};
use keywords::Rule;

/// llguidance's words for what it does not enforce, and the keyword that they are about.
const UNENFORCED: [(&str, &str, &str); 4] = [
    ("oneOf constraints", "oneOf", "is not enforced where its alternatives may overlap"),
    ("min/maxProperties only", "maxProperties", "is not enforced beside properties that may be left out"),
    ("patternProperty regexes", "patternProperties", "is not enforced where two of its patterns may match one name"),
    ("circular references", "$ref", "is not enforced where it leads back to itself and other keywords stand beside it"),
];

/// Its words for what else it does not take.
const WORDS: [(&str, &str); 9] = [
    ("Regex is empty", "no text fits its patterns, formats and lengths together"),
    (
        "Unable to determine if regex is empty",
        "whether a text fits its patterns and lengths together takes too long to find out",
    ),
    ("Constant ", "its constant does not fit its lengths"),
    ("contains no integer values", "no integer is within its bounds"),
    ("is greater than", "its least is larger than its most"),
    (derives::ENDLESS, "it leads back to itself whatever way is taken, and never ends"),
    ("intersection stack level", "its schemas that must fit together lead on to others without end"),
    ("schema too large", "written out it is too large"),
    ("Unsatisfiable schema", "nothing fits all that it asks for"),
];

/// The sentence. `at`: where the schema stands. `compiled`: why a schema in normal form does not compile.
pub fn why(
    schema: &Value,
    at: &str,
    lenient: bool,
    error: &str,
    compiled: impl Fn(Value) -> Result<(), String>,
) -> Refused {
    for (words, keyword, what) in UNENFORCED {
        if error.contains(words) {
            let mut places = Vec::new();
            values::find(schema, keyword, &mut places);
            if keyword == "maxProperties" {
                values::find(schema, "minProperties", &mut places);
            }
            let places: Vec<String> = places.iter().map(|place| format!("{at}{place}")).take(3).collect();
            let places = if places.is_empty() { "the top".into() } else { places.join(" or ") };
            return Refused(format!("The schema's keyword \"{keyword}\" at {places} {what}."));
        }
    }
    if error == watch::TOO_LONG {
        return Refused(format!("The schema cannot be kept: {}.", said(error)));
    }
    let (path, inner) = innermost(schema, lenient, compiled);
    let path = format!("{at}{path}");
    Refused(format!("The schema cannot be kept at {}: {}.", place(&path), said(inner.as_deref().unwrap_or(error))))
}

/// Of a string whose keywords bound it: those that it has.
pub fn unfit(schema: &Value, at: &str, error: &str) -> Refused {
    let bounds = ["pattern", "format", "minLength", "maxLength", "enum", "const"];
    let there = bounds.iter().filter(|keyword| schema.get(**keyword).is_some()).map(|keyword| format!("\"{keyword}\""));
    let there: Vec<String> = there.collect();
    let noun = if there.len() == 1 { "keyword" } else { "keywords" };
    // Of a lexeme that nothing fits it says so where the first token is asked for.
    let why = if error.contains("NoExtension") { said("Regex is empty") } else { said(error) };
    Refused(format!("The schema's {noun} {} at {} cannot be kept: {why}.", there.join(" and "), place(at)))
}

fn said(error: &str) -> String {
    let known = WORDS.iter().find(|(words, _)| error.contains(words));
    known.map_or_else(|| machine::first_lines(error), |(_, said)| (*said).to_string())
}

/// Where the innermost schema stands that does not compile by itself, as far as it is found in time, and why it does not.
fn innermost(root: &Value, lenient: bool, compiled: impl Fn(Value) -> Result<(), String>) -> (String, Option<String>) {
    let started = Instant::now();
    let (mut at, mut path, mut why) = (root, String::new(), None);
    loop {
        let inner = children(at).into_iter().find_map(|(schema, below)| {
            if started.elapsed() > limits::SEARCH {
                return None;
            }
            let normal = part(root, schema, &format!("{path}{below}"), lenient, super::BY_REQUEST).ok()?;
            compiled(normal).err().map(|why| (schema, below, why))
        });
        let Some((schema, below, error)) = inner else { return (path, why) };
        path += &below;
        (at, why) = (schema, Some(error));
    }
}

/// The schemas directly within one, and their paths from it.
fn children(schema: &Value) -> Vec<(&Value, String)> {
    let mut found = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        let rule = match keyword.as_str() {
            "$defs" | "definitions" => Some(Rule::Properties),
            keyword => keywords::rule(keyword),
        };
        match (rule, value) {
            (Some(Rule::Schemas | Rule::Items), Value::Array(list)) => {
                found.extend(list.iter().enumerate().map(|(i, schema)| (schema, format!("/{keyword}/{i}"))));
            }
            (Some(Rule::Schema | Rule::Items | Rule::AdditionalItems), schema) => {
                found.push((schema, format!("/{keyword}")));
            }
            (Some(Rule::Properties | Rule::Patterns), Value::Object(map)) => {
                found.extend(map.iter().map(|(name, schema)| (schema, format!("/{keyword}/{}", escaped(name)))));
            }
            _ => {}
        }
    }
    found.retain(|(schema, _)| schema.is_object());
    found
}
