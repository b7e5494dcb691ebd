//! Lark's grammars: schemas in them (`%json {…}`) are held to the same rules as those that stand alone. Their `x-guidance`
//! says how they are written, and with `"lenient": true` that what is not enforced is left out.

use serde_json::{Deserializer, Value};

use crate::{Refused, Result, limits, refuse, schema};

const JSON: &str = "%json";
const BY_STYLE: &str = "add \"x-guidance\": {\"lenient\": true}";

/// The grammar with its schemas in normal form. Refused: a schema that is, and more definitions than there may be.
pub fn checked(grammar: &str) -> Result<String> {
    let rules = grammar.lines().filter(|line| line.contains(':')).count();
    if rules > limits::RULES {
        refuse!("The grammar has {rules} lines that define something; at most {} are taken.", limits::RULES);
    }
    if grammar.trim().is_empty() {
        refuse!("The grammar is empty; it must define the rule start.");
    }
    let mut out = String::with_capacity(grammar.len());
    let mut repeats = 0;
    let mut rest = grammar;
    while let Some(skipped) = next_json(rest) {
        let (before, after) = rest.split_at(skipped + JSON.len());
        out.push_str(before);
        repeats += repeats_of(before);
        let mut values = Deserializer::from_str(after).into_iter::<Value>();
        let line = grammar.len() - after.len();
        let line = grammar[..line].lines().count();
        let schema = match values.next() {
            Some(Ok(schema)) => schema,
            Some(Err(e)) => refuse!("The grammar's %json in line {line} is not followed by JSON ({e})."),
            None => refuse!("The grammar's %json in line {line} is not followed by JSON."),
        };
        let style = schema.get(schema::STYLE).filter(|style| style.is_object());
        let lenient = style.is_some_and(|style| style["lenient"] == true);
        // A grammar that was made of tools says whose the schema is: its lines are nothing to those who gave the tools.
        let owner = schema.get(schema::OWNER).and_then(Value::as_str);
        let way = if owner.is_some() { schema::BY_REQUEST } else { BY_STYLE };
        let place = owner.map_or_else(|| format!("the grammar's %json in line {line}"), str::to_string);
        let mut normal =
            schema::normal(&schema, lenient, way).map_err(|Refused(why)| Refused(format!("In {place}: {why}")))?;
        schema::set_style(&mut normal, style, lenient);
        out.push(' ');
        out.push_str(&normal.to_string());
        rest = &after[values.byte_offset()..];
    }
    out.push_str(rest);
    repeats += repeats_of(rest);
    if repeats > limits::REPEATS {
        refuse!("The grammar has more than {} repetitions and choices.", limits::REPEATS);
    }
    Ok(out)
}

/// Repetitions and choices of a grammar's text, at most: some of them may be part of a string.
fn repeats_of(text: &str) -> usize {
    text.bytes().filter(|byte| b"*+?~{|".contains(byte)).count()
}

/// Where the next `%json` begins that is no part of a string, an expression or a comment.
fn next_json(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            b'#' => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            quote @ (b'"' | b'/') => closing(bytes, at + 1, quote),
            b'%' if text[at..].starts_with(JSON) => return Some(at),
            _ => at + 1,
        };
    }
    None
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn closing(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    at
}
