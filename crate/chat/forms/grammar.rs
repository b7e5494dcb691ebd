//! The grammar of calls in a form, as Lark's text: what a model may write from the first byte of its calls to the end of
//! its reply. Arguments fit the tools' schemas; where a form writes texts without quotes, they end where its closing text
//! first comes.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::literal::Literals;
use super::text::{DATA, Text, alone, check_all, resolved};
use super::{Call, Form, KEY, Keys, Pairs, Part};
use crate::bail;
use crate::base::error::Result;

/// The control token at the start of a text, and its bytes: a model writes it as one, so a grammar names its id.
pub type Control<'a> = &'a dyn Fn(&str) -> Option<(u32, usize)>;

/// What the calls may be.
#[derive(Clone, Copy, Debug)]
pub struct Grammar<'a> {
    /// How they are written.
    pub form: &'a Form,
    /// What may be called, in OpenAI's form.
    pub tools: &'a [Json],
    /// The one tool that is to be called.
    pub name: Option<&'a str>,
    /// So many calls may come; `None` for any number.
    pub most: Option<u32>,
    /// A text that stands before them.
    pub before: &'a str,
}

/// White space that models put, or do not, between pieces of JSON and around it: at most this.
const SPACE: &str = "ws: WS?\nWS: /[ \\n]{1,2}/\n";
const JSON_SPACE: &str = "[ \\n]";
/// More is refused: the module of grammars takes no more of calls (`TOOLS_BYTES` in `crate/grammar/limits.rs`).
const MOST_BYTES: usize = 1 << 20;
/// What says nothing of values.
const NOTES: [&str; 3] = ["$comment", "description", "title"];
/// An id that a model makes up.
const ID: &str = "[a-zA-Z0-9_\\-]{1,40}";

/// A tool as the grammar needs it.
struct Tool<'a> {
    index: usize,
    name: &'a str,
    /// Of its arguments.
    schema: Map<String, Json>,
}

impl Grammar<'_> {
    /// The text. Errors: `BadOption` for a tool that is not there, for a form that no grammar is known of, and for tools of
    /// which the grammar is too long.
    pub fn text(&self, control: Control<'_>) -> Result<String> {
        let tools = self.tools()?;
        let Form { open, before, call, after, between, close, .. } = self.form;
        let json = matches!(call, Call::Json(_) | Call::Keyed);
        let lit = |text: &str| literal(text, control);
        let list = if json && close.starts_with(']') && !open.ends_with('[') { " \"[\"" } else { "" };
        // Between JSON and the texts around it, where there are some.
        let space = |text: &str| if json && !text.is_empty() { " ws " } else { " " };
        let between = match between.trim() {
            "" => "ws".to_string(),
            text => format!("ws {} ws", lit(text)),
        };
        let more = match self.most {
            Some(0 | 1) => String::new(),
            Some(most) => format!(" ({between} one){{0,{}}}", most - 1),
            None => format!(" ({between} one)*"),
        };
        let names: Vec<String> = tools.iter().map(|tool| format!("call_{}", tool.index)).collect();
        let mut out = format!(
            "start: {} {}{list} one{more}{}{}\none: {}{}call{}{}\ncall: {}\n{SPACE}",
            lit(self.before),
            lit(open),
            space(close),
            lit(close),
            lit(before),
            space(before),
            space(after),
            lit(after),
            names.join(" | "),
        );
        for tool in &tools {
            match call {
                Call::Json(keys) => tool.json(keys, &mut out),
                Call::Keyed => {
                    let name = quoted(&Json::from(tool.name).to_string());
                    let index = tool.index;
                    let _ = writeln!(out, "call_{index}: \"{{\" ws {name} ws \":\" ws args_{index} ws \"}}\"");
                    tool.arguments(&mut out);
                }
                Call::Text(parts) => tool.parts(parts, control, &mut out)?,
            }
            room(&out)?;
        }
        Ok(out)
    }

    fn tools(&self) -> Result<Vec<Tool<'_>>> {
        let functions = self.tools.iter().map(|tool| tool.get("function").unwrap_or(tool));
        let mut found = Vec::new();
        for function in functions {
            let Some(name) = function["name"].as_str().filter(|name| !name.is_empty()) else { continue };
            if self.name.is_none_or(|wanted| wanted == name) {
                let schema = closed(name, &function["parameters"], function["strict"] == true);
                found.push(Tool { index: found.len(), name, schema });
            }
        }
        match (found.is_empty(), self.name) {
            (false, _) => Ok(found),
            (true, Some(name)) => bail!(BadOption, "tool_choice names \"{name}\", which is none of the tools."),
            (true, None) => bail!(BadOption, "A call is asked for, but no tool has a name."),
        }
    }
}

/// The schema of arguments: an object, which has no members but those that it names, unless it says so. What it asks for
/// and no grammar can keep is left out unless the tool is `strict`.
fn closed(name: &str, parameters: &Json, strict: bool) -> Map<String, Json> {
    let mut schema = parameters.as_object().cloned().unwrap_or_default();
    forget_notes(&mut schema);
    schema.entry("type").or_insert_with(|| "object".into());
    if schema.contains_key("properties") || parameters.is_null() {
        if !schema.contains_key("additionalProperties") {
            name_required(&mut schema);
        }
        schema.entry("additionalProperties").or_insert(false.into());
    }
    schema.insert("x-guidance".into(), json!({"whitespace_pattern": JSON_SPACE, "lenient": !strict}));
    schema.insert("x-owner".into(), format!("the parameters of the tool \"{name}\"").into());
    schema
}

/// Descriptions are for the model, which reads them in its prompt: in a grammar they would be most of it.
fn forget_notes(schema: &mut Map<String, Json>) {
    // A property of such a name has a schema, which is no text.
    schema.retain(|key, value| !(NOTES.contains(&key.as_str()) && value.is_string()));
    for (_, value) in schema.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())) {
        match value {
            Json::Object(map) => forget_notes(map),
            Json::Array(list) => list.iter_mut().filter_map(Json::as_object_mut).for_each(forget_notes),
            _ => {}
        }
    }
}

/// `BadOption` for rules that are too long by now.
fn room(rules: &str) -> Result<()> {
    if rules.len() > MOST_BYTES {
        bail!(
            BadOption,
            "The tools come to more than {MOST_BYTES} bytes of a grammar; give fewer tools, or such with fewer parameters."
        );
    }
    Ok(())
}

/// What is required and not described may be anything.
fn name_required(schema: &mut Map<String, Json>) {
    let required = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        for name in required.iter().filter_map(Json::as_str) {
            properties.entry(name).or_insert_with(|| json!({}));
        }
    }
}

impl Tool<'_> {
    /// Its name as the end of a rule's, and the arguments' rule.
    fn arguments(&self, out: &mut String) {
        let _ = writeln!(out, "args_{}: %json {}", self.index, Json::Object(self.schema.clone()));
    }

    /// `{"name": …, "arguments": …}`, with an id before or behind them where the form has one.
    fn json(&self, keys: &Keys, out: &mut String) {
        let index = self.index;
        let key = |key: &str| format!("{} ws \":\" ws", quoted(&Json::from(key).to_string()));
        let name = quoted(&Json::from(self.name).to_string());
        let pair = format!("{} {name} ws \",\" ws {} args_{index}", key(&keys.name), key(&keys.arguments));
        let (first, last) = match &keys.id {
            Some(id) => {
                let id = format!("{} /\"{ID}\"/", key(id));
                (format!("({id} ws \",\" ws)? "), format!(" (ws \",\" ws {id})?"))
            }
            None => Default::default(),
        };
        let _ = match &keys.inner {
            None => writeln!(out, "call_{index}: \"{{\" ws {first}{pair}{last} ws \"}}\""),
            Some(inner) => writeln!(
                out,
                "call_{index}: \"{{\" ws {first}({} \"\\\"function\\\"\" ws \",\" ws)? {} \"{{\" ws {first}{pair} ws \"}}\"{last} ws \"}}\"",
                key("type"),
                key(inner),
            ),
        };
        self.arguments(out);
    }

    fn parts(&self, parts: &[Part], control: Control<'_>, out: &mut String) -> Result<()> {
        let mut rules = String::new();
        let mut all = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            all.push(match part {
                Part::Text(text) => literal(text, control),
                Part::Name => quoted(self.name),
                Part::Id => format!("/{ID}/"),
                Part::Index => "/[0-9]{1,3}/".into(),
                Part::Anything => anything(parts.get(at + 1)),
                Part::Json => {
                    self.arguments(&mut rules);
                    format!("args_{}", self.index)
                }
                Part::Pairs(pairs) => self.pairs(pairs, control, &mut rules)?,
                Part::Literal { sep: '=' } => {
                    self.check()?;
                    self.python(&mut rules)?
                }
                Part::Literal { .. } => Literals {
                    tool: self.name,
                    at: String::new(),
                    root: &self.schema,
                    strict: self.is_strict(),
                    control,
                    prefix: format!("value_{}", self.index),
                    rules: &mut rules,
                    count: 0,
                    known: HashMap::new(),
                }
                .members(&self.schema)?,
                Part::Maybe(texts) => {
                    let texts: Vec<String> = texts.iter().map(|text| literal(text, control)).collect();
                    format!("({})?", texts.join(" | "))
                }
            });
        }
        let _ = write!(out, "call_{}: {}\n{rules}", self.index, all.join(" "));
        Ok(())
    }

    /// (name, schema, whether it must be there) of each argument, in the order of the schema, which is `root`.
    fn members<'a>(&'a self, root: &'a Json) -> impl Iterator<Item = (&'a str, Json, bool)> {
        let properties = self.schema.get("properties").and_then(Json::as_object);
        let required = self.schema.get("required").and_then(Json::as_array);
        let is_required = move |name: &str| required.is_some_and(|list| list.iter().any(|known| known == name));
        let members = properties.into_iter().flatten();
        members.map(move |(name, schema)| (name.as_str(), self.member(root, name, schema), is_required(name)))
    }

    /// A member's schema, which may refer to places of the whole.
    fn member(&self, root: &Json, name: &str, schema: &Json) -> Json {
        if let Json::Bool(_) = schema {
            return json!({});
        }
        let mut schema = alone(root, resolved(root, schema));
        for note in ["x-guidance", "x-owner"] {
            schema.extend(self.schema.get(note).map(|value| (note.to_string(), value.clone())));
        }
        schema.insert("x-path".into(), format!("/properties{}", step(name)).into());
        Json::Object(schema)
    }

    fn is_strict(&self) -> bool {
        self.schema["x-guidance"]["lenient"] == false
    }

    /// Of arguments that are written one by one, what holds for all together is not kept.
    fn check(&self) -> Result<()> {
        if self.is_strict() { check_all(self.name, &self.schema) } else { Ok(()) }
    }

    /// Arguments one by one. Those of a tool that names none are any texts.
    fn pairs(&self, pairs: &Pairs, control: Control<'_>, rules: &mut String) -> Result<String> {
        self.check()?;
        let index = self.index;
        let root = Json::Object(self.schema.clone());
        let mut members = self.members(&root).peekable();
        if members.peek().is_none() {
            if self.schema.get("additionalProperties") == Some(&Json::Bool(false)) {
                return Ok(String::new());
            }
            if pairs.end.contains(KEY) {
                bail!(
                    BadOption,
                    "In the parameters of the tool \"{}\": The schema names no properties, so calls cannot be constrained; name some.",
                    self.name
                );
            }
            let value = text_value(&pairs.end, control, &format!("any_{index}"), rules);
            let kind =
                pairs.kind.as_ref().map(|(text, _, rest)| format!("{} {}", quoted(text), literal(rest, control)));
            let [key, between] = [&pairs.key, &pairs.value].map(|text| literal(text, control));
            return Ok(format!("({key} /{ID}/ {between} {} {value})*", kind.unwrap_or_default()));
        }
        let mut all = Vec::new();
        for (at, (name, schema, required)) in members.enumerate() {
            room(rules)?;
            let rule = format!("value_{index}_{at}");
            let end = pairs.end.replace(KEY, name);
            let is_text = schema["type"] == "string" && !pairs.quoted;
            let kind = pairs.kind.as_ref().map(|(text, other, rest)| {
                let word = if schema["type"] == "string" { text } else { other };
                format!("{} {}", literal(word, control), literal(rest, control))
            });
            let value = if is_text {
                let text = Text { tool: self.name, name, schema: &schema, end: &end, strict: self.is_strict() };
                text.grammar(control, &rule, rules)?
            } else {
                let _ = writeln!(rules, "{rule}: %json {schema}");
                format!("{rule} {}", literal(&end, control))
            };
            let [key, between] = [&pairs.key, &pairs.value].map(|text| literal(text, control));
            let pair = format!("{key} {} {between} {} {value}", literal(name, control), kind.unwrap_or_default());
            all.push(if required { pair } else { format!("({pair})?") });
        }
        Ok(all.join(" "))
    }

    /// `key=value, key=value`: values are JSON, or Python's names for what JSON calls otherwise.
    fn python(&self, rules: &mut String) -> Result<String> {
        let index = self.index;
        let root = Json::Object(self.schema.clone());
        let mut pairs = Vec::new();
        for (at, (name, schema, required)) in self.members(&root).enumerate() {
            room(rules)?;
            let rule = format!("value_{index}_{at}");
            let is = |kind: &str| {
                schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.contains(&kind.into()))
            };
            let booleans = if is("boolean") { " | \"True\" | \"False\"" } else { "" };
            let none = if is("null") { " | \"None\"" } else { "" };
            let _ = writeln!(rules, "{rule}_json: %json {schema}\n{rule}: {rule}_json{booleans}{none}");
            pairs.push((format!("{} \"=\" {rule}", quoted(name)), required));
        }
        Ok(listed(&format!("list_{index}"), &pairs, rules))
    }
}

/// A name as a step of a pointer.
pub(super) fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Members in the schema's order, each with whether it must be there, with commas between: the name of their rule.
pub(super) fn listed(prefix: &str, members: &[(String, bool)], rules: &mut String) -> String {
    for (at, (member, required)) in members.iter().enumerate() {
        let next = at + 1;
        let [first, rest] = ["first", "rest"].map(|rule| match required {
            true => String::new(),
            false => format!(" | {prefix}_{rule}_{next}"),
        });
        let _ = writeln!(rules, "{prefix}_first_{at}: {member} {prefix}_rest_{next}{first}");
        let _ = writeln!(rules, "{prefix}_rest_{at}: \",\" ws {member} {prefix}_rest_{next}{rest}");
    }
    let count = members.len();
    let _ = writeln!(rules, "{prefix}_first_{count}: \"\"\n{prefix}_rest_{count}: \"\"");
    format!("{prefix}_first_0")
}

/// A text up to its closing text, which is part of it; rules that it needs are added.
pub(super) fn text_value(end: &str, control: Control<'_>, rule: &str, rules: &mut String) -> String {
    let end = end.trim();
    let first = cut(end, control).into_iter().next();
    match first {
        // A control token is no text: nothing need be said of where the text ends.
        Some(Cut::Token(_)) | None => format!("/(?s:.+)/? {}", literal(end, control)),
        Some(Cut::Text(text)) => {
            let _ = writeln!(rules, "{rule}[suffix={}]: /(?s:.*)/", quoted(text));
            format!("{rule} {}", literal(&end[text.len()..], control))
        }
    }
}

/// A short text that ends before the next part.
fn anything(next: Option<&Part>) -> String {
    let stop = match next {
        Some(Part::Text(text)) => text.trim().chars().next(),
        _ => None,
    };
    let stop = stop.filter(|char| !char.is_alphanumeric()).unwrap_or('<');
    format!(
        "/[^\\n{{\\[\\]\\\\\\/{}]{{1,40}}/?",
        if "[]\\/{^-".contains(stop) { String::new() } else { stop.to_string() }
    )
}

pub(super) enum Cut<'a> {
    Text(&'a str),
    Token(u32),
}

/// A text cut at its control tokens.
pub(super) fn cut<'a>(text: &'a str, control: Control<'_>) -> Vec<Cut<'a>> {
    let (mut cuts, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(char) = text[at..].chars().next() {
        match control(&text[at..]).filter(|(_, length)| *length > 0) {
            Some((id, length)) => {
                cuts.extend((start < at).then(|| Cut::Text(&text[start..at])));
                cuts.push(Cut::Token(id));
                at += length;
                start = at;
            }
            None => at += char.len_utf8(),
        }
    }
    cuts.extend((start < at).then(|| Cut::Text(&text[start..])));
    cuts
}

/// A text as it is; nothing for none.
pub(super) fn literal(text: &str, control: Control<'_>) -> String {
    let each = cut(text, control).into_iter().map(|cut| match cut {
        Cut::Text(text) => quoted(text),
        Cut::Token(id) => format!("<[{id}]>"),
    });
    each.collect::<Vec<_>>().join(" ")
}

/// In Lark's quotes, which are JSON's.
pub(super) fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007f")
}
