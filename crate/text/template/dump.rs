//! Values as text: `str()`, `repr()` and `json.dumps()` as Python writes them, up to a size.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::Value as Json;

use super::dict;
use super::limits::{MAX_DEPTH, MAX_TEXT, refused};

/// How containers, and the strings in them, are written.
pub enum Style {
    Repr,
    Json { ascii: bool, item: String, key: String, indent: Option<String>, sort: bool },
}

/// `str(value)`: a string as it is, nothing for what is undefined. Its bytes are paid for.
pub fn text(state: &State, value: &Value) -> Result<String, Error> {
    let mut dump = Dump { out: String::new(), style: Style::Repr };
    match value.as_str() {
        Some(text) => dump.push(text)?,
        None => dump.value(value, 0)?,
    }
    state.consume_fuel(dump.out.len() as u64 / 64)?;
    Ok(dump.out)
}

/// The value in a style. Its bytes are paid for.
pub fn dumped(state: &State, value: &Value, style: Style) -> Result<String, Error> {
    let mut dump = Dump { out: String::new(), style };
    dump.value(value, 0)?;
    state.consume_fuel(dump.out.len() as u64 / 64)?;
    Ok(dump.out)
}

/// Whether a text has JSON in it as Python prints it.
pub fn printed(text: &str, json: &Json) -> bool {
    let mut dump = Dump { out: String::new(), style: Style::Repr };
    dump.value(&dict::value(json), 0).is_ok_and(|()| text.contains(&dump.out))
}

struct Dump {
    out: String,
    style: Style,
}

impl Dump {
    fn push(&mut self, text: &str) -> Result<(), Error> {
        if self.out.len() + text.len() > MAX_TEXT {
            return Err(refused("makes a text that is too long"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(refused("writes values that are nested too deep"));
        }
        let json = matches!(self.style, Style::Json { .. });
        match value.kind() {
            ValueKind::Undefined if json => Err(Error::new(ErrorKind::UndefinedError, "what is undefined has no JSON")),
            ValueKind::Undefined => self.push(if depth > 0 { "Undefined" } else { "" }),
            ValueKind::None => self.push(if json { "null" } else { "None" }),
            ValueKind::Bool => self.push(match (json, value.is_true()) {
                (true, true) => "true",
                (true, false) => "false",
                (false, true) => "True",
                (false, false) => "False",
            }),
            ValueKind::Number => self.push(&number(value, json)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth),
            ValueKind::Map => self.map(value, depth),
            ValueKind::Invalid => Err(refused("holds what could not be made")),
            _ if json => Err(Error::new(ErrorKind::BadSerialization, "only plain values have JSON")),
            _ => self.push("<object>"),
        }
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let tuple = value.is_tuple() && matches!(self.style, Style::Repr);
        self.push(if tuple { "(" } else { "[" })?;
        let mut count = 0;
        for item in value.try_iter()?.checked() {
            self.separate(count > 0, depth + 1)?;
            self.value(&item?, depth + 1)?;
            count += 1;
        }
        if tuple && count == 1 {
            self.push(",")?;
        }
        self.close(count > 0, depth)?;
        self.push(if tuple { ")" } else { "]" })
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut keys = value.try_iter()?.checked().collect::<Result<Vec<Value>, Error>>()?;
        if let Style::Json { sort: true, .. } = self.style {
            keys.sort();
        }
        self.push("{")?;
        for (at, key) in keys.iter().enumerate() {
            self.separate(at > 0, depth + 1)?;
            let between = match &self.style {
                Style::Json { key: between, .. } => between.clone(),
                Style::Repr => ": ".into(),
            };
            match (&self.style, key.as_str()) {
                // JSON has no keys but strings.
                (Style::Json { .. }, None) => {
                    self.push("\"")?;
                    self.value(key, depth + 1)?;
                    self.push("\"")?;
                }
                _ => self.value(key, depth + 1)?,
            }
            self.push(&between)?;
            self.value(&value.get_item(key)?, depth + 1)?;
        }
        self.close(!keys.is_empty(), depth)?;
        self.push("}")
    }

    /// What stands before an item.
    fn separate(&mut self, later: bool, depth: usize) -> Result<(), Error> {
        let (item, indent) = match &self.style {
            Style::Json { item, indent, .. } => (item.clone(), indent.clone()),
            Style::Repr => (", ".into(), None),
        };
        if later {
            self.push(&item)?;
        }
        indent.map_or(Ok(()), |indent| self.line(&indent, depth))
    }

    /// What stands after the last item.
    fn close(&mut self, any: bool, depth: usize) -> Result<(), Error> {
        match &self.style {
            Style::Json { indent: Some(indent), .. } if any => self.line(&indent.clone(), depth),
            _ => Ok(()),
        }
    }

    fn line(&mut self, indent: &str, depth: usize) -> Result<(), Error> {
        self.push("\n")?;
        (0..depth).try_for_each(|_| self.push(indent))
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        let json = matches!(self.style, Style::Json { .. });
        let ascii = matches!(self.style, Style::Json { ascii: true, .. });
        let quote = if json || (text.contains('\'') && !text.contains('"')) { '"' } else { '\'' };
        self.out.push(quote);
        for char in text.chars() {
            if self.out.len() > MAX_TEXT {
                return Err(refused("makes a text that is too long"));
            }
            match char {
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' if json => self.out.push_str("\\b"),
                '\u{c}' if json => self.out.push_str("\\f"),
                '\\' => self.out.push_str("\\\\"),
                _ if char == quote => self.out.extend(['\\', quote]),
                _ if json && (char < ' ' || (ascii && char > '~')) => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                }
                _ if !json && (char.is_control() || (char.is_whitespace() && char != ' ')) => {
                    let code = u32::from(char);
                    match code {
                        ..256 => write!(self.out, "\\x{code:02x}")?,
                        _ => write!(self.out, "\\u{code:04x}")?,
                    }
                }
                _ => self.out.push(char),
            }
        }
        self.out.push(quote);
        Ok(())
    }
}

/// A float has a point or an exponent of two digits.
fn number(value: &Value, json: bool) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else { return value.to_string() };
    if !float.is_finite() {
        let names = if json { ["NaN", "Infinity", "-Infinity"] } else { ["nan", "inf", "-inf"] };
        return names[if float.is_nan() {
            0
        } else if float > 0.0 {
            1
        } else {
            2
        }]
        .into();
    }
    let text = format!("{float:?}");
    match text.split_once('e') {
        Some((digits, power)) => format!("{digits}e{:+03}", power.parse::<i32>().unwrap_or(0)),
        None => text,
    }
}
