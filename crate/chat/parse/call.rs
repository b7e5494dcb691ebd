//! One call in a given form.

use serde_json::{Map, Value as Json};

use super::cursor::{Begun, Cursor, Step, Stop};
use super::tools::Tools;
use crate::chat::forms::{Call, Form, KEY, Keys, Pairs, Part};
use crate::chat::units::units;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub id: Option<String>,
    pub name: String,
    /// The text of a JSON object.
    pub arguments: String,
}

/// The longest text that may stand where a form has [`Part::Anything`], or as an id.
const MAX_ID: usize = 200;
const MAX_NESTED: u32 = 20;

/// A call that starts where the cursor is, with or without `open`. `inside`: a call came before, or a code fence, so that
/// bare JSON may be a call. Fails where the tool is not among `tools`.
pub(super) fn call(form: &Form, cursor: &mut Cursor<'_>, tools: &Tools, inside: bool) -> Step<Found> {
    let json = matches!(form.call, Call::Json(_) | Call::Keyed);
    let mut marked = optional(cursor, form.open.trim_end_matches('['))?;
    if json && cursor.peek()? == '[' {
        cursor.bump('[');
    } else if form.open.ends_with('[') && !json {
        optional(cursor, "[")?;
    }
    marked |= optional(cursor, &form.before)?;
    if !marked && let Some(short) = form.short() {
        marked = optional(cursor, short)?;
    }
    if !(marked || (inside || form.is_bare()) && form.before.is_empty()) {
        return Err(Stop::Fail);
    }
    cursor.marked = marked;
    // Some write a list within the tags.
    if json && cursor.peek()? == '[' {
        cursor.bump('[');
    }
    match &form.call {
        Call::Json(keys) => object(keys, cursor, tools, marked, false),
        Call::Keyed => keyed(cursor, tools),
        Call::Text(parts) => from_parts(parts, form, cursor, tools),
    }
}

impl Form {
    /// Nothing tells that a call begins but the call itself.
    pub(in crate::chat) fn is_bare(&self) -> bool {
        self.open.trim_end_matches('[').is_empty() && self.before.is_empty()
    }

    /// What some write instead of `before`: the last tag of several, where that has the name in it (`<function=`).
    pub(in crate::chat) fn short(&self) -> Option<&str> {
        let before = self.before.trim();
        before.rfind('<').filter(|at| *at > 0 && !before.ends_with('>')).map(|at| &before[at..])
    }
}

/// Whether a text, which may be missing, is there.
fn optional(cursor: &mut Cursor<'_>, text: &str) -> Step<bool> {
    let mut ahead = *cursor;
    match ahead.text(text) {
        Ok(()) => {
            *cursor = ahead;
            Ok(!text.is_empty())
        }
        Err(Stop::Fail) => Ok(false),
        Err(Stop::More) => Err(Stop::More),
    }
}

/// A JSON object with a name and arguments. One with other keys is no call: a reply may well hold JSON.
/// `within`: it is the object of another's key, which holds no more of them.
fn object(keys: &Keys, cursor: &mut Cursor<'_>, tools: &Tools, marked: bool, within: bool) -> Step<Found> {
    let (mut name, mut arguments, mut id) = (None, None, None);
    cursor.text("{")?;
    // As a template of Qwen2.5-Coder shows it by mistake. No JSON begins so.
    let doubled = optional(cursor, "{")?;
    // Whether it ends so is not known before its end.
    cursor.marked &= !doubled;
    loop {
        if cursor.peek()? == '}' {
            cursor.bump('}');
            break;
        }
        let key = cursor.value()?;
        let key = key.as_str().ok_or(Stop::Fail)?;
        cursor.text(":")?;
        let start = cursor.at + (cursor.rest().len() - cursor.rest().trim_start().len());
        if !within && (keys.inner.as_deref() == Some(key) || key == "function") && cursor.peek()? == '{' {
            let found = object(keys, cursor, tools, marked, true)?;
            (name, arguments) = (Some(found.name), Some(found.arguments));
        } else if keys.is_name(key) && name.is_none() {
            let value = cursor.value()?;
            name = Some(tools.named(value.as_str().unwrap_or_default())?);
        } else if keys.is_arguments(key) {
            if id.is_none() {
                begin(cursor, tools, name.as_deref(), keys.id.is_none());
            }
            let value = cursor.value()?;
            arguments = Some(arguments_of(value, cursor.since(start))?);
        } else if keys.is_id(key) {
            id = match cursor.value()? {
                Json::String(id) => Some(id),
                Json::Number(id) => Some(id.to_string()),
                _ => None,
            };
        } else if ["type", "index", "description"].contains(&key) {
            cursor.value()?;
        } else {
            return Err(Stop::Fail);
        }
        match cursor.peek()? {
            ',' => cursor.bump(','),
            '}' => {}
            _ => return Err(Stop::Fail),
        }
    }
    if doubled {
        cursor.text("}")?;
    }
    // A bare object with a name alone is any JSON.
    let arguments = arguments.or_else(|| marked.then(|| "{}".to_string()));
    Ok(Found { id, name: name.ok_or(Stop::Fail)?, arguments: arguments.ok_or(Stop::Fail)? })
}

/// Notes that a tool's arguments begin here, as the text of an object. `without_id`: the form has no ids.
fn begin(cursor: &mut Cursor<'_>, tools: &Tools, name: Option<&str>, without_id: bool) {
    if cursor.peek() == Ok('{') {
        let begun = |tool| Begun { tool, at: cursor.at, sure: cursor.marked && without_id };
        cursor.begun = name.and_then(|name| tools.number(name)).map(begun);
    }
}

/// The text of an object, also where that is in a JSON string; `written`: its own text.
fn arguments_of(value: Json, written: &str) -> Step<String> {
    let is_object = |text: &str| serde_json::from_str::<Map<String, Json>>(text).is_ok();
    match value {
        Json::Object(_) if is_object(written) => Ok(written.to_string()),
        Json::Object(map) => Ok(Json::Object(map).to_string()),
        Json::String(text) if is_object(&text) => Ok(text),
        Json::Null => Ok("{}".into()),
        _ => Err(Stop::Fail),
    }
}

fn keyed(cursor: &mut Cursor<'_>, tools: &Tools) -> Step<Found> {
    cursor.text("{")?;
    let name = cursor.value()?;
    let name = tools.named(name.as_str().unwrap_or_default())?;
    cursor.text(":")?;
    cursor.peek()?;
    begin(cursor, tools, Some(&name), true);
    let start = cursor.at;
    let value = cursor.value()?;
    let arguments = arguments_of(value, cursor.since(start))?;
    cursor.text("}")?;
    Ok(Found { id: None, name, arguments })
}

fn from_parts(parts: &[Part], form: &Form, cursor: &mut Cursor<'_>, tools: &Tools) -> Step<Found> {
    let (mut id, mut name, mut arguments) = (None, None, None);
    for (index, part) in parts.iter().enumerate() {
        let next = match parts.get(index + 1) {
            Some(Part::Text(text)) => text.trim(),
            _ => "",
        };
        match part {
            Part::Text(text) => cursor.text(text)?,
            Part::Anything | Part::Maybe(_) => skim(cursor, next).map(drop)?,
            Part::Id => id = Some(skim(cursor, next)?),
            Part::Index => cursor.word().map(drop)?,
            Part::Name => name = Some(tools.name_at(cursor)?),
            Part::Json => {
                if cursor.peek()? != '{' {
                    return Err(Stop::Fail);
                }
                if id.is_none() {
                    begin(cursor, tools, name.as_deref(), !parts.contains(&Part::Id));
                }
                let start = cursor.at;
                let value = cursor.value()?;
                arguments = Some(arguments_of(value, cursor.since(start))?);
            }
            Part::Pairs(pairs) => {
                let name = name.as_deref().ok_or(Stop::Fail)?;
                let map = pairs_of(pairs, form.after.trim(), cursor, &|key| tools.is_text(name, key))?;
                arguments = Some(Json::Object(map).to_string());
            }
            Part::Literal { sep } => {
                let close = if *sep == '=' { ')' } else { '}' };
                let map = cursor.pairs(*sep, close, 0)?;
                // What follows has it too.
                cursor.at -= close.len_utf8();
                arguments = Some(Json::Object(map).to_string());
            }
        }
    }
    Ok(Found { id, name: name.ok_or(Stop::Fail)?, arguments: arguments.ok_or(Stop::Fail)? })
}

/// A short text before `next`, which stays.
fn skim(cursor: &mut Cursor<'_>, next: &str) -> Step<String> {
    let mut ahead = *cursor;
    match ahead.until(next) {
        Ok(text) if text.len() <= MAX_ID => {
            cursor.at += text.len();
            Ok(text.trim().to_string())
        }
        Err(Stop::More) if cursor.rest().len() <= MAX_ID + next.len() => Err(Stop::More),
        _ => Err(Stop::Fail),
    }
}

/// Pairs up to `after`, of which the first tag must be there: without it another pair might follow.
fn pairs_of(
    pairs: &Pairs,
    after: &str,
    cursor: &mut Cursor<'_>,
    is_text: &dyn Fn(&str) -> Option<bool>,
) -> Step<Map<String, Json>> {
    let mut map = Map::new();
    loop {
        // What ends the pairs may start as a pair does.
        let ended = if after.is_empty() { Err(Stop::Fail) } else { Cursor::new(cursor.rest()).text(after) };
        if ended.is_ok() {
            return Ok(map);
        }
        match (ended, optional(cursor, &pairs.key)) {
            (Err(Stop::More), Ok(true) | Err(_)) | (_, Err(Stop::More)) => return Err(Stop::More),
            (_, Ok(true)) => {}
            _ => {
                Cursor::new(cursor.rest()).text(units(after).first().copied().unwrap_or_default())?;
                return Ok(map);
            }
        }
        let (key, value) = pair(pairs, cursor, is_text)?;
        map.insert(key, value);
    }
}

/// A key and its value, behind the text before a key.
fn pair(pairs: &Pairs, cursor: &mut Cursor<'_>, is_text: &dyn Fn(&str) -> Option<bool>) -> Step<(String, Json)> {
    let key = cursor.until(pairs.value.trim())?.trim();
    if key.is_empty() || key.len() > MAX_ID || key.contains(['<', '\n']) {
        return Err(Stop::Fail);
    }
    let end = pairs.end.replace(KEY, key);
    let (mut text_by_kind, mut start) = (None, pairs.value.as_str());
    if let Some((of_string, _, rest)) = &pairs.kind {
        text_by_kind = Some(cursor.until(rest.trim())? == of_string);
        start = rest;
    }
    if pairs.quoted {
        let value = cursor.value()?;
        cursor.text(&end)?;
        return Ok((key.to_string(), value));
    }
    let is_text = text_by_kind.or_else(|| is_text(key));
    if cursor.exact && is_text == Some(false) {
        let mut ahead = *cursor;
        match ahead.value() {
            Ok(value) => {
                ahead.text(&end)?;
                *cursor = ahead;
                return Ok((key.to_string(), value));
            }
            Err(Stop::More) => return Err(Stop::More),
            // A number beyond what a float holds.
            Err(Stop::Fail) => {}
        }
    }
    let mut value = cursor.until(end.trim())?;
    // A line break that the form has around a value is not the value's.
    if start.ends_with('\n') {
        value = value.strip_prefix('\n').unwrap_or(value);
    }
    if end.starts_with('\n') {
        value = value.strip_suffix('\n').unwrap_or(value);
    }
    let nested = (is_text != Some(true) && pairs.end.contains(KEY)).then(|| elements(pairs, value, 0)).flatten();
    Ok((key.to_string(), nested.unwrap_or_else(|| typed(value, is_text))))
}

/// A list or map whose items are written as pairs themselves, lists by the key `item`: as MiniMax M3 does.
fn elements(pairs: &Pairs, text: &str, depth: u32) -> Option<Json> {
    let mut cursor = Cursor::new(text);
    let mut items = Vec::new();
    while optional(&mut cursor, &pairs.key).ok()? {
        let key = cursor.until(pairs.value.trim()).ok()?;
        let value = cursor.until(pairs.end.replace(KEY, key).trim()).ok()?;
        let nested = if depth < MAX_NESTED { elements(pairs, value, depth + 1) } else { None };
        items.push((key.to_string(), nested.unwrap_or_else(|| typed(value, None))));
        if cursor.rest().trim().is_empty() {
            let is_list = items.iter().all(|(key, _)| key == "item");
            return Some(if is_list {
                items.into_iter().map(|(_, value)| value).collect()
            } else {
                Json::Object(items.into_iter().collect())
            });
        }
    }
    None
}

/// Whether it is a number of JSON but for its size.
fn is_number(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// A value that was written without quotes. `is_text`: what the tool's schema says of it.
fn typed(text: &str, is_text: Option<bool>) -> Json {
    let text = text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>")).unwrap_or(text);
    if is_text == Some(true) {
        return text.into();
    }
    let closed = format!("{text}\n");
    let mut cursor = Cursor::new(&closed);
    match cursor.value() {
        Ok(value) if cursor.rest().trim().is_empty() => value,
        // Beyond what a float holds.
        _ if is_number(text.trim()) && text.trim().starts_with('-') => f64::MIN.into(),
        _ if is_number(text.trim()) => f64::MAX.into(),
        _ => text.into(),
    }
}
