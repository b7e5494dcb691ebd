//! Where a rendered text has a marked call, and of which kind it is.

use std::ops::Range;

use serde_json::{Deserializer, Value as Json, json};

use super::{Call, KEY, Keys, Pairs, Part};
use crate::chat::units::common_end;

/// A call of unlikely strings: found again in a text, they tell what surrounds them.
#[derive(Clone)]
pub(super) struct Marks {
    pub name: &'static str,
    pub id: &'static str,
    pub keys: [&'static str; 2],
    pub values: [&'static str; 2],
}

// cspell:ignoreRegExp zq\w+
// Of letters and digits alone, an id of nine: Mistral's templates take no other.
pub(super) const FIRST: Marks =
    Marks { name: "zqfirstqz", id: "zqida0001", keys: ["zqkeyaqz", "zqkeybqz"], values: ["zqvalueaqz", "zqvaluebqz"] };
pub(super) const SECOND: Marks =
    Marks { name: "zqsecondqz", id: "zqidb0002", keys: ["zqkeycqz", "zqkeydqz"], values: ["zqvaluecqz", "zqvaluedqz"] };

impl Marks {
    pub fn arguments(&self) -> Json {
        json!({self.keys[0]: self.values[0], self.keys[1]: self.values[1]})
    }

    /// A definition of the tool in OpenAI's form.
    pub fn tool(&self) -> Json {
        let text = json!({"type": "string", "description": "A text"});
        json!({"type": "function", "function": {
            "name": self.name,
            "description": "A tool",
            "parameters": {"type": "object", "properties": {self.keys[0]: text, self.keys[1]: text}, "required": [self.keys[0]]},
        }})
    }
}

pub(super) struct Located {
    pub span: Range<usize>,
    pub call: Call,
}

/// The first call with these marks in the text.
pub(super) fn locate(text: &str, marks: &Marks) -> Option<Located> {
    let name = text.find(marks.name)?;
    let key = text.find(marks.keys[0])?;
    in_object(text, marks, name.min(key)).or_else(|| with_json(text, marks)).or_else(|| with_pieces(text, marks))
}

/// A call that is one JSON object: the nearest `{` before its first mark that begins one with name and arguments.
fn in_object(text: &str, marks: &Marks, first: usize) -> Option<Located> {
    let mut starts = text[..first].rmatch_indices('{').take(3);
    starts.find_map(|(at, _)| object_at(text, at, marks))
}

fn object_at(text: &str, at: usize, marks: &Marks) -> Option<Located> {
    let (object, length) = json_at(&text[at..])?;
    let span = at..at + length;
    let has = |object: &Json| {
        let named = |want: &str| -> Option<String> {
            let found = object.as_object()?.iter().find(|(_, value)| value.as_str() == Some(want))?;
            Some(found.0.clone())
        };
        let arguments = object.as_object()?.iter().find(|(_, value)| is_arguments(value, marks))?.0.clone();
        Some((named(marks.name)?, arguments, named(marks.id)))
    };
    if object.get(marks.name).is_some_and(|value| is_arguments(value, marks)) {
        return Some(Located { span, call: Call::Keyed });
    }
    let (inner, found) = match has(&object) {
        Some(found) => (None, found),
        None => object.as_object()?.iter().find_map(|(key, value)| Some((Some(key.clone()), has(value)?)))?,
    };
    let outer_id =
        || object.as_object()?.iter().find(|(_, value)| value.as_str() == Some(marks.id)).map(|(key, _)| key.clone());
    let (name, arguments, id) = found;
    let call = Call::Json(Keys { id: id.or_else(outer_id), inner, name, arguments });
    Some(Located { span, call })
}

fn is_arguments(value: &Json, marks: &Marks) -> bool {
    match value {
        Json::String(text) => serde_json::from_str::<Json>(text).is_ok_and(|value| value == marks.arguments()),
        value => *value == marks.arguments(),
    }
}

/// The JSON value at the start of the text, and its length.
fn json_at(text: &str) -> Option<(Json, usize)> {
    let mut stream = Deserializer::from_str(text).into_iter::<Json>();
    let value = stream.next()?.ok()?;
    Some((value, stream.byte_offset()))
}

/// A call whose arguments are a JSON object, after its name.
fn with_json(text: &str, marks: &Marks) -> Option<Located> {
    let key = text.find(marks.keys[0])?;
    let at = text[..key].rfind('{')?;
    let (value, length) = json_at(&text[at..])?;
    if value != marks.arguments() {
        return None;
    }
    let (start, mut parts) = head(text, marks, at)?;
    let mut end = at + length;
    parts.push(Part::Json);
    // An id behind the arguments.
    if let Some(id) = text[end..].find(marks.id).filter(|_| !parts.contains(&Part::Id)) {
        parts.extend([Part::Text(text[end..end + id].to_string()), Part::Id]);
        end += id + marks.id.len();
    }
    Some(Located { span: start..end, call: Call::Text(parts) })
}

/// The parts from the first mark of name or id to `end`, and where they start.
fn head(text: &str, marks: &Marks, end: usize) -> Option<(usize, Vec<Part>)> {
    let head = &text[..end];
    let start = head.find(marks.name)?.min(head.find(marks.id).unwrap_or(end));
    let mut parts = Vec::new();
    let mut rest = &head[start..];
    while !rest.is_empty() {
        let next = [(marks.name, Part::Name), (marks.id, Part::Id)]
            .into_iter()
            .filter_map(|(mark, part)| Some((rest.find(mark)?, mark, part)))
            .min_by_key(|(at, ..)| *at);
        let text = &rest[..next.as_ref().map_or(rest.len(), |(at, ..)| *at)];
        if !text.is_empty() {
            parts.push(Part::Text(text.to_string()));
        }
        match next {
            Some((at, mark, part)) => {
                parts.push(part);
                rest = &rest[at + mark.len()..];
            }
            None => break,
        }
    }
    Some((start, parts))
}

/// A call whose arguments are pieces around keys and values.
fn with_pieces(text: &str, marks: &Marks) -> Option<Located> {
    let [key_a, key_b] = marks.keys;
    let [value_a, value_b] = marks.values;
    let at_key = text.find(key_a)?;
    let (start, mut parts) = head(text, marks, at_key)?;
    let (value, rest) = text[at_key + key_a.len()..].split_once(value_a)?;
    let (y, rest) = rest.split_once(key_b)?;
    let rest = rest.strip_prefix(value)?.strip_prefix(value_b)?;
    let end_of_values = text.len() - rest.len();
    let bare = value.trim_end_matches(['\'', '"', ' ']).trim_end_matches("<|\"|>");
    if let ("=" | ":", Some(sep)) = (bare.trim(), bare.trim().chars().next()) {
        let close = rest.find([')', '}'])?;
        parts.push(Part::Literal { sep });
        return Some(Located { span: start..end_of_values + close, call: Call::Text(parts) });
    }
    // Before the first key: what follows the name, then the piece before every key, which ends `y` too.
    let Some(Part::Text(x)) = parts.pop() else { return None };
    let y = y.replace(key_a, KEY);
    let key = common_end(&x, &y);
    let end = y[..y.len() - key.len()].trim_end().to_string();
    let rest = rest.strip_prefix(&end.replace(KEY, key_b)).filter(|_| !end.is_empty())?;
    let lead = &x[..x.len() - key.len()];
    if !lead.trim().is_empty() {
        parts.push(Part::Text(lead.to_string()));
    }
    let quoted = value.ends_with('"') && end.starts_with('"');
    let [value, end] = if quoted { [&value[..value.len() - 1], &end[1..]] } else { [value, &end] };
    let pairs = Pairs { key, value: value.to_string(), kind: None, end: end.to_string(), quoted };
    parts.push(Part::Pairs(pairs));
    Some(Located { span: start..text.len() - rest.len(), call: Call::Text(parts) })
}
