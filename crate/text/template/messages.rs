//! Messages as templates want them: what Hugging Face makes of a chat before it renders, and what OpenAI's shape needs
//! beyond that.

use serde_json::{Map, Value as Json, json};

use super::limits::MAX_DEPTH;
use crate::bail;
use crate::base::error::Result;

/// The names of a message's reasoning; the first is what templates read, and some the second.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// The form of a message's `content` that a template reads.
#[derive(Clone, Copy, PartialEq)]
pub enum Content {
    Text,
    /// A list of `{type, text}`.
    Parts,
    Both,
}

/// How messages are written down for a template.
#[derive(Clone, Copy)]
pub struct Form {
    pub content: Content,
    /// Whether the template knows the role `developer`; else it is `system`.
    pub developer: bool,
    /// Whether a message without content has an empty one.
    pub filled: bool,
    /// Whether a call's arguments are JSON as text; else they are objects.
    pub quoted: bool,
}

/// `BadOption` where there is no message, or one has no role or a content of another kind.
pub fn list_of(messages: &Json) -> Result<&Vec<Json>> {
    let Some(list) = messages.as_array().filter(|list| !list.is_empty()) else {
        bail!(BadOption, "Messages should be a list of at least one {{role, content}}");
    };
    for (index, message) in list.iter().enumerate() {
        if !message.get("role").is_some_and(Json::is_string) {
            bail!(BadOption, "Message {index} has no role: each message is {{role, content}}");
        }
        if !matches!(message.get("content"), None | Some(Json::Null | Json::String(_) | Json::Array(_))) {
            bail!(BadOption, "The content of message {index} should be text");
        }
        let is_call = |call: &Json| call.get("function").unwrap_or(call).get("name").is_some_and(Json::is_string);
        let calls = message.get("tool_calls").filter(|calls| !calls.is_null());
        if !calls.is_none_or(|calls| calls.as_array().is_some_and(|calls| calls.iter().all(is_call))) {
            bail!(
                BadOption,
                "The tool_calls of message {index} should be a list of {{id, type, function: {{name, arguments}}}}"
            );
        }
        bounded(message, &format!("Message {index}"))?;
    }
    Ok(list)
}

/// `BadOption` where JSON is nested deeper than a template may see.
pub fn bounded(json: &Json, name: &str) -> Result<()> {
    // Level by level, so that no depth is a depth of calls.
    let mut level = vec![json];
    for _ in 0..MAX_DEPTH / 2 {
        let deeper = level.iter().flat_map(|json| match json {
            Json::Array(list) => list.iter().collect(),
            Json::Object(map) => map.values().collect(),
            _ => Vec::new(),
        });
        level = deeper.collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    bail!(BadOption, "{name} is nested deeper than {} levels", MAX_DEPTH / 2)
}

/// The messages in a form.
///
/// Errors: `BadOption` for parts that are not text where the template reads text alone.
pub fn prepared(list: &[Json], form: Form) -> Result<Vec<Map<String, Json>>> {
    list.iter().enumerate().map(|(index, message)| one(message, index, form)).collect()
}

fn one(message: &Json, index: usize, form: Form) -> Result<Map<String, Json>> {
    let mut message = message.as_object().cloned().unwrap_or_default();
    message.retain(|_, value| !value.is_null());
    // A refusal is what a message says, where it says nothing else.
    if let Some(Json::String(refusal)) = message.get("refusal").cloned() {
        message.entry("content").or_insert_with(|| refusal.into());
    }
    if let Some(reasoning) = REASONING.iter().find_map(|name| message.get(*name)).cloned() {
        message.entry(REASONING[1]).or_insert_with(|| reasoning.clone());
        message.insert(REASONING[0].into(), reasoning);
    }
    if message["role"] == "developer" && !form.developer {
        message.insert("role".into(), "system".into());
    }
    for call in message.get_mut("tool_calls").and_then(Json::as_array_mut).into_iter().flatten() {
        // Both OpenAI's form, {function: {arguments}}, and its inside alone.
        let call = if call.get("function").is_some_and(Json::is_object) { &mut call["function"] } else { call };
        if let Some(arguments) = call.get_mut("arguments") {
            match arguments {
                Json::String(text) if !form.quoted => {
                    let read = if text.trim().is_empty() { Ok(json!({})) } else { serde_json::from_str(text) };
                    if let Ok(read @ Json::Object(_)) = read {
                        bounded(&read, &format!("A call's arguments in message {index}"))?;
                        *arguments = read;
                    }
                }
                Json::Object(_) if form.quoted => *arguments = Json::String(spaced(arguments)),
                _ => {}
            }
        }
    }
    if form.filled {
        message.entry("content").or_insert_with(|| "".into());
    }
    match message.get_mut("content") {
        Some(content @ Json::String(_)) if form.content == Content::Parts => {
            *content = json!([{"type": "text", "text": content}]);
        }
        Some(content @ Json::Array(_)) if form.content == Content::Text => *content = joined(content, index)?,
        _ => {}
    }
    Ok(message)
}

fn joined(parts: &Json, index: usize) -> Result<Json> {
    let texts = parts.as_array().into_iter().flatten().map(|part| match part {
        Json::String(text) => Some(text.as_str()),
        part => part.get("text").or_else(|| part.get("refusal"))?.as_str(),
    });
    match texts.collect::<Option<Vec<&str>>>() {
        Some(texts) => Ok(Json::String(texts.concat())),
        None => bail!(BadOption, "Message {index} has parts that are not text, which this model does not take"),
    }
}

/// JSON with Python's blanks, as a model has seen it.
fn spaced(json: &Json) -> String {
    match json {
        Json::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", Json::from(key.as_str()), spaced(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether any call has arguments that another form would write otherwise.
pub fn has_arguments(list: &[Json]) -> bool {
    list.iter()
        .any(|message| message.get("tool_calls").is_some_and(|calls| calls.as_array().is_some_and(|c| !c.is_empty())))
}

/// The arguments that are texts, as objects: what a template that reads text prints as Python's dict.
pub fn read_arguments(list: &[Json]) -> Vec<Json> {
    let calls = list.iter().filter_map(|message| message.get("tool_calls")?.as_array()).flatten();
    let texts = calls.filter_map(|call| call.get("function").unwrap_or(call).get("arguments")?.as_str());
    texts
        .filter_map(|text| serde_json::from_str(text).ok())
        .filter(|json: &Json| json.as_object().is_some_and(|map| !map.is_empty()))
        .collect()
}

/// The parts of contents that are lists: what a template that reads text prints as Python's dict.
pub fn parts(list: &[Json]) -> impl Iterator<Item = &Json> {
    list.iter().filter_map(|message| message.get("content")?.as_array()).flatten().filter(|part| part.is_object())
}

/// The first message that says nothing: no content, no calls and no refusal.
pub fn silent(list: &[Json]) -> Option<usize> {
    let none = |message: &Json, key| message.get(key).is_none_or(Json::is_null);
    list.iter().position(|message| ["content", "tool_calls", "refusal"].iter().all(|key| none(message, key)))
}
