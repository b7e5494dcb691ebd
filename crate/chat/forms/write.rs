//! Calls as a form writes them.

use serde_json::{Map, Value as Json, json};

use super::{Call, Form, GEMMA, KEY, Pairs, Part};

/// A whole call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// The tool's name.
    pub name: String,
    /// The tool's arguments.
    pub arguments: Map<String, Json>,
}

impl Form {
    /// The text of calls in this form, as a model would write it.
    pub fn write(&self, calls: &[Written]) -> String {
        let list = matches!(self.call, Call::Json(_) | Call::Keyed)
            && self.close.starts_with(']')
            && !self.open.ends_with('[');
        let mut out = self.open.clone() + if list { "[" } else { "" };
        for (index, call) in calls.iter().enumerate() {
            if index > 0 {
                out += &self.between;
                let apart = !self.between.is_empty() || self.before.starts_with(char::is_whitespace);
                out += if apart { "" } else { "\n" };
            }
            out += &self.before;
            self.one(call, index, &mut out);
            out += &self.after;
        }
        out + &self.close
    }

    fn one(&self, call: &Written, index: usize, out: &mut String) {
        let id = call.id.clone().unwrap_or_else(|| index.to_string());
        match &self.call {
            Call::Json(keys) => {
                let mut object = Map::new();
                if let Some(key) = &keys.id {
                    object.insert(key.clone(), id.into());
                }
                object.insert(keys.name.clone(), call.name.clone().into());
                object.insert(keys.arguments.clone(), call.arguments.clone().into());
                let object = Json::Object(object);
                let object = keys.inner.as_ref().map_or(object.clone(), |inner| json!({inner: object}));
                *out += &object.to_string();
            }
            Call::Keyed => *out += &json!({&call.name: call.arguments}).to_string(),
            Call::Text(parts) => {
                for part in parts {
                    match part {
                        Part::Text(text) => *out += text,
                        Part::Anything => out.push(' '),
                        Part::Maybe(texts) => *out += texts.first().map_or("", String::as_str),
                        Part::Name => *out += &call.name,
                        Part::Id => *out += &id,
                        Part::Index => *out += &index.to_string(),
                        Part::Json => *out += &Json::Object(call.arguments.clone()).to_string(),
                        Part::Pairs(pairs) => call.arguments.iter().for_each(|(key, value)| pairs.one(key, value, out)),
                        Part::Literal { sep } => {
                            let pairs =
                                call.arguments.iter().map(|(key, value)| format!("{key}{sep}{}", literal(value, *sep)));
                            *out += &pairs.collect::<Vec<_>>().join(", ");
                        }
                    }
                }
            }
        }
    }
}

impl Pairs {
    fn one(&self, key: &str, value: &Json, out: &mut String) {
        let text = value.as_str().filter(|_| !self.quoted).map_or_else(|| value.to_string(), String::from);
        *out += &self.key;
        *out += key;
        *out += &self.value;
        if let Some((of_string, of_other, rest)) = &self.kind {
            *out += if value.is_string() { of_string } else { of_other };
            *out += rest;
        }
        *out += &text;
        *out += &self.end.replace(KEY, key);
    }
}

/// JSON as a literal of Python, or of Gemma where keys and values have a colon between.
pub(super) fn literal(value: &Json, sep: char) -> String {
    let python = sep == '=';
    let all = |list: Vec<String>| list.join(if python { ", " } else { "," });
    match value {
        Json::Null if python => "None".into(),
        Json::Bool(true) if python => "True".into(),
        Json::Bool(false) if python => "False".into(),
        Json::String(text) if !python => format!("{GEMMA}{text}{GEMMA}"),
        Json::Array(list) => format!("[{}]", all(list.iter().map(|value| literal(value, sep)).collect())),
        Json::Object(map) => {
            let key = |key: &str| if python { Json::from(key).to_string() } else { key.to_string() };
            let entries = map.iter().map(|(name, value)| format!("{}:{}", key(name), literal(value, sep)));
            format!("{{{}}}", all(entries.collect()))
        }
        value => value.to_string(),
    }
}
