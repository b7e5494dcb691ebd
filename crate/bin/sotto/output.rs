//! What commands print.

use serde::Serialize;
use serde_json::Value;
use sotto::base::error::{Code, Error, Result};

/// One JSON value: an array for a batch, else the one result.
pub fn print(results: Vec<Value>, batch: bool) {
    let value = if batch { Value::Array(results) } else { results.into_iter().next().unwrap_or(Value::Null) };
    println!("{value}");
}

pub fn with_name(mut value: Value, name: Option<&String>) -> Value {
    if let (Some(name), Some(members)) = (name, value.as_object_mut()) {
        members.shift_insert(0, "name".into(), name.as_str().into());
    }
    value
}

/// A result as the commands' JSON has it: the names of its members are in snake_case.
pub fn json(result: &impl Serialize) -> Result<Value> {
    serde_json::to_value(result)
        .map(snake_case)
        .map_err(|e| Error::new(Code::Internal, format!("A result could not be printed ({e}).")))
}

fn snake_case(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(snake_case).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (snake(&name), snake_case(value))).collect(),
        other => other,
    }
}

fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut all, char| {
        if char.is_ascii_uppercase() {
            all.push('_');
        }
        all.push(char.to_ascii_lowercase());
        all
    })
}
