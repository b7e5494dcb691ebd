//! Whether a JSON object is what a call's schema wants; `www/wire/check.ts` does the same in a page, in the same words.

use serde_json::{Map, Number, Value};

use crate::bail;
use crate::base::error::Result;

/// The longest text that a message shows.
const SHOWN: usize = 40;

/// What options are called in messages: `topK` in JSON, `--top-k` on a command line.
pub type Naming = fn(&str) -> String;

/// The members that are given: `null` is as good as nothing. `BadOption` names a member that the call does not have, and
/// the one that may have been meant, or what a value should be instead.
pub fn checked(call: &str, schema: &Value, options: Value, naming: Naming) -> Result<Value> {
    members(call, schema, options, naming, "")
}

/// `path` stands before the names of members in messages.
fn members(call: &str, schema: &Value, options: Value, naming: Naming, path: &str) -> Result<Value> {
    let Value::Object(given) = options else {
        bail!(BadOption, "The options of {call} are {}; give an object.", shown(&options));
    };
    let none = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    let mut kept = Map::new();
    for (name, value) in given {
        let Some(member) = known.get(&name) else {
            let meant = meant(&name, known).map(|meant| format!("; did you mean {}?", naming(meant)));
            bail!(BadOption, "{} is not an option of {call}{}", naming(&name), meant.unwrap_or_default());
        };
        if value.is_null() {
            continue;
        }
        let value = check(&format!("{path}{}", naming(&name)), member, value)?;
        kept.insert(name, value);
    }
    Ok(Value::Object(kept))
}

/// The value, if it and those inside of it are what the schema wants.
fn check(name: &str, schema: &Value, value: Value) -> Result<Value> {
    let fits = |schema: &&Value| fits(schema, &value);
    let Some(schema) = choices(schema).into_iter().find(fits) else {
        bail!(BadOption, "{name} is {}; give {}.", shown(&value), wanted(schema));
    };
    match (value, schema.get("items"), schema.get("additionalProperties")) {
        (Value::Array(list), Some(items), _) => {
            let numbered = list.into_iter().enumerate();
            numbered.map(|(i, item)| check(&format!("{name}[{i}]"), items, item)).collect()
        }
        (Value::Object(map), _, Some(values)) => {
            let checked = |(key, value)| Ok((String::clone(&key), check(&format!("{name}[{key:?}]"), values, value)?));
            map.into_iter().map(checked).collect()
        }
        (value @ Value::Object(_), ..) if schema.get("properties").is_some() => {
            let kept = members(name, schema, value, str::to_string, &format!("{name}."))?;
            // Of a call's own members the call says what it lacks.
            let needed = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            match needed.filter_map(Value::as_str).find(|member| kept.get(member).is_none()) {
                Some(lacks) => {
                    bail!(BadOption, "{name} has no {lacks}; give {}.", wanted(&schema["properties"][lacks]))
                }
                None => Ok(kept),
            }
        }
        (Value::Number(number), ..) if schema["type"] == "integer" => Ok(whole(number)),
        (value, ..) => Ok(value),
    }
}

/// A whole number as one, though it was written with a point: JSON knows no difference.
fn whole(number: Number) -> Value {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => (float as i64).into(),
        None => number.into(),
    }
}

fn choices(schema: &Value) -> Vec<&Value> {
    match schema.get("anyOf") {
        Some(Value::Array(choices)) => choices.iter().collect(),
        _ => vec![schema],
    }
}

/// Whether the value itself, not what is inside of it, is of the kind and in the range.
fn fits(schema: &Value, value: &Value) -> bool {
    if let Some(Value::Array(names)) = schema.get("enum") {
        return names.contains(value);
    }
    let in_range = || {
        let (low, high) = range(schema);
        value
            .as_f64()
            .is_some_and(|number| low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high))
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0) && in_range(),
        Some("number") => in_range(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

fn range(schema: &Value) -> (Option<f64>, Option<f64>) {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    (bound("minimum"), bound("maximum"))
}

/// What to give: `"high" or "fast"`, `a number from 0 to 100`.
fn wanted(schema: &Value) -> String {
    if let Some(Value::Array(names)) = schema.get("enum") {
        return either(names.iter().map(shown).collect());
    }
    let number = |kind: &str| match range(schema) {
        (Some(low), Some(high)) => format!("{kind} from {low} to {high}"),
        _ => kind.to_string(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => number("a whole number"),
        Some("number") => number("a number"),
        Some("string") => "text".into(),
        Some("boolean") => "true or false".into(),
        Some("array") => match schema["items"]["type"].as_str() {
            Some("string") => "a list of texts".into(),
            Some("integer") => "a list of whole numbers".into(),
            _ => "a list".into(),
        },
        Some("object") => schema["shape"].as_str().unwrap_or("an object").into(),
        _ => either(choices(schema).into_iter().map(wanted).collect()),
    }
}

fn either(mut choices: Vec<String>) -> String {
    match choices.pop() {
        Some(last) if !choices.is_empty() => format!("{} or {last}", choices.join(", ")),
        last => last.unwrap_or_else(|| "null".into()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{:?}…", &text[..end]),
            None => format!("{text:?}"),
        },
        other => other.to_string(),
    }
}

/// The member whose name, or another library's name for it, is nearest, if it is near.
fn meant<'a>(name: &str, known: &'a Map<String, Value>) -> Option<&'a str> {
    let near = |other: &str| {
        let (name, other) = (plain(name), plain(other));
        let distance = strsim::osa_distance(&name, &other);
        (distance <= other.len().min(name.len()) / 3).then_some(distance)
    };
    let named = known.iter().flat_map(|(name, schema)| {
        let aliases = schema.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        aliases.chain([name.as_str()]).map(move |other| (name.as_str(), other))
    });
    named
        .filter_map(|(name, other)| Some((near(other)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A name without the marks that part its words: `max_tokens`, `max-tokens` and `maxTokens` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}
