//! The grammar of arguments as Gemma writes them: `key:value,key:value`. Texts stand in quotes of their own, with nothing
//! escaped; what else is no list and no map is JSON's.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::GEMMA;
use super::grammar::{Control, listed, literal, quoted, step};
use super::text::{BOUNDS, Text};
use super::write;
use crate::bail;
use crate::base::error::Result;

/// Keywords that are kept, and those that say nothing.
const KEPT: [&str; 30] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "definitions",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "x-guidance",
    "x-owner",
];
/// Those of numbers, which JSON's grammar keeps.
const OF_NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/// Without a type, any of these.
const TYPES: [&str; 6] = ["string", "number", "boolean", "null", "array", "object"];
/// A key that the schema does not name.
const KEY: &str = "/[a-zA-Z0-9_\\-]{1,40}/";

/// Writes the rules of one tool's arguments.
pub(super) struct Literals<'a> {
    pub tool: &'a str,
    /// Where in the tool's parameters the schema stands that is written.
    pub at: String,
    /// The schema of all arguments, in which references are looked up.
    pub root: &'a Map<String, Json>,
    /// What cannot be kept is refused.
    pub strict: bool,
    pub control: Control<'a>,
    /// The beginning of the names of rules.
    pub prefix: String,
    pub rules: &'a mut String,
    /// Rules so far, and those of what was referred to.
    pub count: usize,
    pub known: HashMap<String, String>,
}

impl Literals<'_> {
    /// The members of an object, without its braces. Errors: `BadOption` for what a strict tool asks for and is not kept.
    pub fn members(&mut self, schema: &Map<String, Json>) -> Result<String> {
        self.check(schema)?;
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        if properties.is_empty() {
            let closed = schema.get("additionalProperties") == Some(&Json::Bool(false));
            let any = if closed { String::new() } else { self.value(&json!({}))? };
            return Ok(if closed { any } else { format!("({KEY} \":\" {any} (\",\" ws {KEY} \":\" {any})*)?") });
        }
        let required = schema.get("required").and_then(Json::as_array);
        let mut members = Vec::new();
        for (name, value) in properties {
            let is_required = required.is_some_and(|list| list.iter().any(|known| known == name));
            let below = self.below(&format!("/properties{}", step(name)), value)?;
            members.push((format!("{} \":\" {below}", quoted(name)), is_required));
        }
        let prefix = self.rule();
        Ok(listed(&prefix, &members, self.rules))
    }

    /// The name of a rule that is not there yet.
    fn rule(&mut self) -> String {
        self.count += 1;
        format!("{}_{}", self.prefix, self.count)
    }

    fn check(&self, schema: &Map<String, Json>) -> Result<()> {
        match schema.keys().find(|key| !KEPT.contains(&key.as_str())) {
            Some(key) if self.strict => bail!(
                BadOption,
                "In the parameters of the tool \"{}\": The schema's keyword \"{key}\" at {}/{key} is not enforced in this model's form of calls; take it out, or strict.",
                self.tool,
                self.at
            ),
            _ => Ok(()),
        }
    }

    /// As [`Literals::value`], of a schema at this path below.
    fn below(&mut self, path: &str, schema: &Json) -> Result<String> {
        let length = self.at.len();
        self.at += path;
        let value = self.value(schema);
        self.at.truncate(length);
        value
    }

    /// The name of the rule of a value.
    fn value(&mut self, schema: &Json) -> Result<String> {
        let none = Map::new();
        let map = schema.as_object().unwrap_or(&none);
        self.check(map)?;
        let key = map.get("$ref").and_then(Json::as_str).map_or_else(|| schema.to_string(), String::from);
        if let Some(rule) = self.known.get(&key) {
            return Ok(rule.clone());
        }
        let rule = self.rule();
        self.known.insert(key, rule.clone());
        let ways = self.ways(map)?;
        let _ = writeln!(self.rules, "{rule}: {}", ways.join(" | "));
        Ok(rule)
    }

    fn ways(&mut self, map: &Map<String, Json>) -> Result<Vec<String>> {
        if let Some(pointer) = map.get("$ref").and_then(Json::as_str) {
            let root = Json::Object(self.root.clone());
            let target = pointer.strip_prefix('#').and_then(|path| root.pointer(path)).cloned();
            let Some(target) = target else {
                bail!(
                    BadOption,
                    "In the parameters of the tool \"{}\": The schema's keyword \"$ref\" at {}/$ref leads to {pointer}, where nothing is; give a pointer within it.",
                    self.tool,
                    self.at
                );
            };
            let outer = std::mem::replace(&mut self.at, pointer.trim_start_matches('#').into());
            let value = self.value(&target);
            self.at = outer;
            return Ok(vec![value?]);
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(list) = map.get(several).and_then(Json::as_array).filter(|list| !list.is_empty()) {
                let numbered = list.iter().enumerate();
                return numbered.map(|(i, one)| self.below(&format!("/{several}/{i}"), one)).collect();
            }
        }
        let constants =
            map.get("enum").and_then(Json::as_array).cloned().or_else(|| Some(vec![map.get("const")?.clone()]));
        if let Some(constants) = constants.filter(|list| !list.is_empty()) {
            let is_bounded = |one: &&Json| one.is_string() && BOUNDS.iter().any(|keyword| map.contains_key(*keyword));
            let mut ways = Vec::new();
            if constants.iter().any(|one| is_bounded(&one)) {
                ways.push(self.text(self.noted(map, &[&BOUNDS[..], &["enum", "const"]].concat()))?);
            }
            let others = constants.iter().filter(|one| !is_bounded(one));
            ways.extend(others.map(|one| literal(&write::literal(one, ':'), self.control)));
            return Ok(ways);
        }
        let types: Vec<String> = match map.get("type") {
            Some(Json::String(one)) => vec![one.clone()],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).map(String::from).collect(),
            _ if map.contains_key("properties") => vec!["object".into()],
            _ => TYPES.map(String::from).to_vec(),
        };
        types.iter().map(|kind| self.of_type(kind, map)).collect()
    }

    fn of_type(&mut self, kind: &str, map: &Map<String, Json>) -> Result<String> {
        Ok(match kind {
            "string" => self.text(self.noted(map, &BOUNDS))?,
            "array" => {
                let item = self.below("/items", map.get("items").unwrap_or(&json!({})))?;
                let count = |key: &str| map.get(key).and_then(Json::as_u64);
                let (least, most) = (count("minItems").unwrap_or(0), count("maxItems"));
                let more = match most {
                    Some(0 | 1) => String::new(),
                    most => {
                        let most = most.map_or(String::new(), |most| (most - 1).to_string());
                        format!(" (\",\" ws {item}){{{},{most}}}", least.saturating_sub(1))
                    }
                };
                match (least, most) {
                    (_, Some(0)) => "\"[]\"".into(),
                    (0, _) => format!("\"[\" ({item}{more})? \"]\""),
                    _ => format!("\"[\" {item}{more} \"]\""),
                }
            }
            "object" => format!("\"{{\" {} \"}}\"", self.members(map)?),
            kind => {
                let mut schema = self.noted(map, &OF_NUMBERS);
                schema["type"] = kind.into();
                let rule = self.rule();
                let _ = writeln!(self.rules, "{rule}: %json {schema}");
                rule
            }
        })
    }

    /// A text in its quotes.
    fn text(&mut self, schema: Json) -> Result<String> {
        let rule = self.rule();
        let text = Text { tool: self.tool, name: &self.at, schema: &schema, end: GEMMA, strict: self.strict };
        Ok(format!("{} {}", literal(GEMMA, self.control), text.grammar(self.control, &rule, self.rules)?))
    }

    /// These keywords of a schema, with the notes of the whole and where it stands.
    fn noted(&self, map: &Map<String, Json>, keywords: &[&str]) -> Json {
        let kept = map.iter().filter(|(key, _)| keywords.contains(&key.as_str()));
        let notes = self.root.iter().filter(|(key, _)| ["x-guidance", "x-owner"].contains(&key.as_str()));
        let mut schema: Map<String, Json> =
            kept.chain(notes).map(|(key, value)| (key.clone(), value.clone())).collect();
        schema.insert("x-path".into(), self.at.as_str().into());
        schema.into()
    }
}
