//! What commands print.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

use serde::Serialize;
use serde_json::Value;
use sotto::base::error::{Code, Error, Result};

/// The status that a shell gives a program whose reader is gone (128 and the number of the signal).
const READER_GONE: i32 = 141;

/// Prints to where `std::print!` does, and at once. A reader that is gone ends the command quietly; what else keeps it
/// from being printed ends it with a sentence.
pub fn out(text: Arguments) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(READER_GONE),
        Err(error) => {
            say(format_args!("sotto: What the command prints could not be written ({error}).\n"));
            std::process::exit(1);
        }
    }
}

/// Prints to standard error; that nobody reads it is no failure.
pub fn say(text: Arguments) {
    drop(std::io::stderr().lock().write_fmt(text));
}

/// As `std::println!`, by [`out`].
macro_rules! print_line {
    ($($text:tt)*) => { $crate::output::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// As `std::eprintln!`, by [`say`].
macro_rules! warn_line {
    ($($text:tt)*) => { $crate::output::say(format_args!("{}\n", format_args!($($text)*))) };
}

/// One JSON value: an array for a batch, else the one result.
pub fn print(results: Vec<Value>, batch: bool) {
    let value = if batch { Value::Array(results) } else { results.into_iter().next().unwrap_or(Value::Null) };
    print_line!("{value}");
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
