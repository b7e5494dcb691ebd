//! Lark's grammars: schemas in them (`%json {…}`, and `%text {…}` of texts without quotes) are held to the same rules as those
//! that stand alone. Their `x-guidance` says how they are written, and with `"lenient": true` that what is not enforced is left
//! out; `x-owner` whose they are, and `x-path` where of his they stand: lines of a grammar that was made of tools are nothing
//! to those who gave the tools.

#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;

#[cfg(target_arch = "wasm32")]
use instant::Instant;
use llguidance::api::TopLevelGrammar;
use serde_json::{Deserializer, Value};

use crate::{Refused, Result, limits, machine, refuse, schema, spec, text, watch};

const JSON: &str = "%json";
const TEXT: &str = "%text";
const BY_STYLE: &str = "add \"x-guidance\": {\"lenient\": true}";

/// A schema in a grammar.
struct Part {
    /// As it was given.
    given: Value,
    lenient: bool,
    /// Whose it is, if not the grammar's; and where of that.
    owner: Option<String>,
    path: String,
    is_text: bool,
    line: usize,
}

impl Part {
    fn new(given: Value, is_text: bool, line: usize) -> Part {
        let note = |name: &str| given.get(name).and_then(Value::as_str).map(String::from);
        let lenient = given.get(schema::STYLE).is_some_and(|style| style["lenient"] == true);
        let (owner, path) = (note(schema::OWNER), note(schema::PATH).unwrap_or_default());
        Part { given, lenient, owner, path, is_text, line }
    }

    /// As llguidance reads it.
    fn normal(&self) -> Result<Value> {
        let way = if self.owner.is_some() { schema::BY_REQUEST } else { BY_STYLE };
        schema::normal_at(&self.given, &self.path, self.lenient, way)
    }

    /// What stands in the grammar for it.
    fn written(&self) -> Result<String> {
        let mut normal = self.normal()?;
        if self.is_text {
            for keyword in ["minLength", "maxLength"] {
                if normal[keyword].as_u64().is_some_and(|length| length > text::LENGTH) {
                    if !self.lenient {
                        refuse!(
                            "The schema's keyword \"{keyword}\" at {}/{keyword} is more than {}, which is as much as is enforced of texts without quotes.",
                            self.path,
                            text::LENGTH
                        );
                    }
                    normal[keyword] = Value::Null;
                }
            }
            return text::lexeme(&normal, self.given[text::END].as_str().unwrap_or_default(), &self.path);
        }
        let style = self.given.get(schema::STYLE).filter(|style| style.is_object());
        schema::set_style(&mut normal, style, self.lenient);
        Ok(format!("{JSON} {normal}"))
    }

    fn told(&self, Refused(why): Refused) -> Refused {
        match &self.owner {
            // A member's schema refers to the whole that it came from.
            Some(owner) => Refused(format!("In {owner}: {}", why.replace("/$defs/whole", ""))),
            None => Refused(format!("In the grammar's {} in line {}: {why}", self.word(), self.line)),
        }
    }

    fn word(&self) -> &'static str {
        if self.is_text { TEXT } else { JSON }
    }
}

/// The pieces of a grammar: what stands before each schema, the schemas, and what stands behind the last.
fn parts(grammar: &str) -> Result<(Vec<(&str, Part)>, &str)> {
    let (mut found, mut rest) = (Vec::new(), grammar);
    while let Some((at, word)) = next(rest) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let mut values = Deserializer::from_str(after).into_iter::<Value>();
        let line = grammar[..grammar.len() - after.len()].lines().count();
        let given = match values.next() {
            Some(Ok(given)) => given,
            Some(Err(e)) => refuse!("The grammar's {word} in line {line} is not followed by JSON ({e})."),
            None => refuse!("The grammar's {word} in line {line} is not followed by JSON."),
        };
        found.push((before, Part::new(given, word == TEXT, line)));
        rest = &after[values.byte_offset()..];
    }
    Ok((found, rest))
}

/// The grammar with its schemas in normal form. Refused: a schema that is, and more definitions than there may be.
pub fn checked(grammar: &str) -> Result<String> {
    let owned = is_owned(grammar);
    let rules = grammar.lines().filter(|line| line.contains(':')).count();
    if rules > limits::RULES && owned {
        refuse!("The tools come to {rules} definitions of a grammar, of at most {}; give {FEWER}.", limits::RULES);
    }
    if rules > limits::RULES {
        refuse!("The grammar has {rules} lines that define something; at most {} are taken.", limits::RULES);
    }
    if grammar.trim().is_empty() {
        refuse!("The grammar is empty; it must define the rule start.");
    }
    let mut out = String::with_capacity(grammar.len());
    let mut repeats = 0;
    let (parts, rest) = parts(grammar)?;
    for (before, part) in parts {
        out.push_str(before);
        repeats += repeats_of(before);
        out.push_str(&part.written().map_err(|refused| part.told(refused))?);
    }
    out.push_str(rest);
    repeats += repeats_of(rest);
    if repeats > limits::REPEATS && owned {
        refuse!("The tools come to more than {} choices of a grammar; give {FEWER}.", limits::REPEATS);
    }
    if repeats > limits::REPEATS {
        refuse!("The grammar has more than {} repetitions and choices.", limits::REPEATS);
    }
    Ok(out)
}

/// What to do where tools are too many.
const FEWER: &str = "fewer tools, or such with fewer parameters";

/// Whether it was made of somebody's schemas.
pub fn is_owned(grammar: &str) -> bool {
    grammar.contains(&format!("\"{}\":", schema::OWNER))
}

/// Why a grammar that was made of schemas does not compile. `compiled`: why one does not.
pub fn why(grammar: &str, error: &str, compiled: impl Fn(TopLevelGrammar) -> Result<(), String>) -> Refused {
    let found = if error == watch::TOO_LONG { None } else { unfit(grammar, false, compiled) };
    let what = match is_owned(grammar) {
        true => "The calls of these tools cannot be held to their schemas",
        false => "The grammar cannot be kept",
    };
    found.unwrap_or_else(|| Refused(format!("{what}: {}.", machine::first_lines(error))))
}

/// Refused: texts that nothing fits, which llguidance would leave out of what may come.
pub fn check_texts(grammar: &str, compiled: impl Fn(TopLevelGrammar) -> Result<(), String>) -> Result<()> {
    if !grammar.contains(TEXT) {
        return Ok(());
    }
    unfit(grammar, true, compiled).map_or(Ok(()), Err)
}

/// Which of the schemas in a grammar does not compile by itself, as far as that is found in time. `texts`: of these alone.
fn unfit(grammar: &str, texts: bool, compiled: impl Fn(TopLevelGrammar) -> Result<(), String>) -> Option<Refused> {
    let started = Instant::now();
    let (parts, _) = parts(grammar).ok()?;
    let mut parts = parts.iter().map(|(_, part)| part).filter(|part| part.is_text || !texts);
    parts.find_map(|part| {
        if started.elapsed() > limits::SEARCH {
            return None;
        }
        let alone = |schema| compiled(spec::json(schema, part.lenient));
        let text = |lexeme| compiled(TopLevelGrammar::from_lark(format!("start: TEXT\nTEXT: {lexeme}\n")));
        let refused = match part.is_text {
            true => schema::unfit(&part.given, &part.path, &text(part.written().ok()?).err()?),
            false => schema::why(&part.given, &part.path, part.lenient, &alone(part.normal().ok()?).err()?, alone),
        };
        Some(part.told(refused))
    })
}

/// Repetitions and choices of a grammar's text, at most: some of them may be part of a string.
fn repeats_of(text: &str) -> usize {
    text.bytes().filter(|byte| b"*+?~{|".contains(byte)).count()
}

/// Where the next schema begins, and by which word, that is no part of a string, an expression or a comment.
fn next(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            b'#' => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            quote @ (b'"' | b'/') => closing(bytes, at + 1, quote),
            b'%' if text[at..].starts_with(JSON) => return Some((at, JSON)),
            b'%' if text[at..].starts_with(TEXT) => return Some((at, TEXT)),
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
