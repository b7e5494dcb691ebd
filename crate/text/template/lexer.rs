//! The tokens of a tag, as minijinja reads them.

use crate::bail;
use crate::base::error::{Code, Error, Result};

/// Tokens of one tag.
const MAX_TOKENS: usize = 4000;
/// Brackets within each other.
const MAX_BRACKETS: usize = 24;

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Name,
    Text,
    Number,
    Mark,
}

#[derive(Clone, Copy)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub start: usize,
    pub end: usize,
}

/// The length of a raw block that starts here.
pub fn raw_end(rest: &str) -> Option<usize> {
    let mut at = basic_tag(rest, "raw")?;
    loop {
        let found = rest[at..].find("{%").map(|found| at + found);
        let Some(found) = found else { return Some(rest.len()) };
        match basic_tag(&rest[found..], "endraw") {
            Some(length) => return Some(found + length),
            None => at = found + 2,
        }
    }
}

/// The length of `{% name %}` at the start of a text.
fn basic_tag(text: &str, name: &str) -> Option<usize> {
    let rest = text.strip_prefix("{%")?;
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix(name)?.trim_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    Some(text.len() - rest.strip_prefix("%}")?.len())
}

/// The tokens up to `closing`, and where it ends.
pub fn tokens<'a>(source: &'a str, mut at: usize, closing: &str) -> Result<(Vec<Token<'a>>, usize)> {
    let start = at;
    let mut tokens: Vec<Token<'a>> = Vec::new();
    let mut open = 0_usize;
    while let Some(char) = source[at..].chars().next() {
        if open == 0 {
            let rest = &source[at..];
            let signed = rest.strip_prefix(['-', '+']).is_some_and(|rest| rest.starts_with(closing));
            if signed || rest.starts_with(closing) {
                return Ok((tokens, at + closing.len() + usize::from(signed)));
            }
        }
        let rest = &source.as_bytes()[at..];
        let (kind, length) = match char {
            _ if char.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            '\'' | '"' => (Kind::Text, text_length(rest)),
            '0'..='9' => (Kind::Number, number_length(rest)),
            'a'..='z' | 'A'..='Z' | '_' => {
                (Kind::Name, rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count())
            }
            _ => {
                let double = ["==", "!=", "<=", ">=", "//", "**"].iter().any(|mark| source[at..].starts_with(mark));
                (Kind::Mark, if double { 2 } else { char.len_utf8() })
            }
        };
        let text = &source[at..at + length];
        match text {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ if kind == Kind::Name && text.starts_with("sotto_") => {
                bail!(
                    BadTemplate,
                    "The model's chat template uses the name {text} at line {}, which is not for templates",
                    line(source, at)
                )
            }
            _ => {}
        }
        tokens.push(Token { kind, text, start: at, end: at + length });
        at += length;
        if tokens.len() > MAX_TOKENS || open > MAX_BRACKETS {
            return Err(too_deep(source, start));
        }
    }
    Ok((tokens, at))
}

/// The line of an offset, from 1.
pub fn line(source: &str, at: usize) -> usize {
    source[..at].matches('\n').count() + 1
}

pub fn too_deep(source: &str, at: usize) -> Error {
    let line = line(source, at);
    Error::new(
        Code::BadTemplate,
        format!("The model's chat template has an expression that is too long or nested too deep at line {line}"),
    )
}

fn text_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == rest[0] => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Never more than the number: `1or[` is a number, a name and a bracket.
fn number_length(rest: &[u8]) -> usize {
    let run = |at: usize, radix: u32| {
        at + rest[at.min(rest.len())..]
            .iter()
            .take_while(|byte| char::from(**byte).is_digit(radix) || **byte == b'_')
            .count()
    };
    let radix = match rest.get(..2) {
        Some(b"0x" | b"0X") => 16,
        Some(b"0o" | b"0O") => 8,
        Some(b"0b" | b"0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        return run(2, radix);
    }
    let digit = |at: usize| rest.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = run(0, 10);
    if rest.get(at) == Some(&b'.') && digit(at + 1) {
        at = run(at + 1, 10);
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        if digit(at + 1 + sign) {
            at = run(at + 1 + sign, 10);
        }
    }
    at
}
