//! Reads what a model wrote, which may not have come whole yet.

use serde_json::{Deserializer, Value as Json};

use crate::chat::forms::GEMMA;

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stop {
    /// All fits so far; the text ends too early.
    More,
    Fail,
}

pub(super) type Step<T> = Result<T, Stop>;

/// Values nest no deeper than JSON's may.
const MAX_DEPTH: u32 = 100;

#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub at: usize,
    /// A call's texts told that it is one.
    pub marked: bool,
    /// A grammar holds the call to its form: what is no text is JSON, whatever stands in its strings.
    pub exact: bool,
    /// The arguments of a call, once they have begun.
    pub begun: Option<Begun>,
}

/// A call whose tool is known and whose arguments have begun.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    /// The tool's number.
    pub tool: usize,
    /// Where the arguments begin.
    pub at: usize,
    /// What comes can be nothing but this call, and brings no id of its own.
    pub sure: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0, marked: false, exact: false, begun: None }
    }

    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub fn since(&self, at: usize) -> &'a str {
        &self.text[at..self.at]
    }

    pub fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// The next character that is no white space.
    pub fn peek(&mut self) -> Step<char> {
        self.skip_space();
        self.rest().chars().next().ok_or(Stop::More)
    }

    pub fn bump(&mut self, char: char) {
        self.at += char.len_utf8();
    }

    /// A text, whatever the white space in either.
    pub fn text(&mut self, text: &str) -> Step<()> {
        for want in text.chars().filter(|char| !char.is_whitespace()) {
            if self.peek()? != want {
                return Err(Stop::Fail);
            }
            self.bump(want);
        }
        Ok(())
    }

    /// What comes before a text that stands as it is; the cursor goes behind that.
    pub fn until(&mut self, text: &str) -> Step<&'a str> {
        let length = self.rest().find(text).ok_or(Stop::More)?;
        let found = &self.rest()[..length];
        self.at += length + text.len();
        Ok(found)
    }

    /// Letters, digits, `_`, `-` and `.`, which are whole once something else follows.
    pub fn word(&mut self) -> Step<&'a str> {
        self.skip_space();
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || "_-.+".contains(c))).ok_or(Stop::More)?;
        self.at += length;
        Ok(&rest[..length])
    }

    /// A JSON value; where it is none, one as Python, JavaScript or Gemma write it. A number is whole once something follows.
    pub fn value(&mut self) -> Step<Json> {
        self.peek()?;
        let mut stream = Deserializer::from_str(self.rest()).into_iter::<Json>();
        match stream.next() {
            Some(Ok(value)) => {
                self.at += stream.byte_offset();
                Ok(value)
            }
            Some(Err(error)) if !error.is_eof() => self.literal(0),
            _ => Err(Stop::More),
        }
    }

    /// A value: a text in any quotes, a list, a map whose keys may be bare, a word or a number.
    fn literal(&mut self, depth: u32) -> Step<Json> {
        if depth > MAX_DEPTH {
            return Err(Stop::Fail);
        }
        match self.peek()? {
            '"' | '\'' | '<' => Ok(Json::String(self.quoted()?)),
            open @ ('[' | '{') => {
                self.bump(open);
                if open == '{' {
                    return Ok(Json::Object(self.pairs(':', '}', depth + 1)?));
                }
                let mut list = Vec::new();
                while self.peek()? != ']' {
                    list.push(self.literal(depth + 1)?);
                    self.comma(']')?;
                }
                self.bump(']');
                Ok(Json::Array(list))
            }
            _ => match self.word()? {
                "True" | "true" => Ok(Json::Bool(true)),
                "False" | "false" => Ok(Json::Bool(false)),
                "None" | "null" => Ok(Json::Null),
                word => serde_json::from_str(word).map_err(|_| Stop::Fail),
            },
        }
    }

    /// `key` `sep` value, with commas, up to and with `close`.
    pub fn pairs(&mut self, sep: char, close: char, depth: u32) -> Step<serde_json::Map<String, Json>> {
        let mut map = serde_json::Map::new();
        while self.peek()? != close {
            let key = match self.peek()? {
                '"' | '\'' | '<' => self.quoted()?,
                _ => self.word()?.to_string(),
            };
            if key.is_empty() || self.peek()? != sep {
                return Err(Stop::Fail);
            }
            self.bump(sep);
            map.insert(key, self.literal(depth)?);
            self.comma(close)?;
        }
        self.bump(close);
        Ok(map)
    }

    fn comma(&mut self, close: char) -> Step<()> {
        match self.peek()? {
            ',' => self.bump(','),
            char if char == close => {}
            _ => return Err(Stop::Fail),
        }
        Ok(())
    }

    fn quoted(&mut self) -> Step<String> {
        let quote = self.peek()?;
        if quote == '<' {
            self.text(GEMMA)?;
            return Ok(self.until(GEMMA)?.to_string());
        }
        self.bump(quote);
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => match chars.next().ok_or(Stop::More)?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    digits @ ('u' | 'x') => {
                        let count = if digits == 'u' { 4 } else { 2 };
                        let mut code = 0;
                        for _ in 0..count {
                            let (_, digit) = chars.next().ok_or(Stop::More)?;
                            code = code * 16 + digit.to_digit(16).ok_or(Stop::Fail)?;
                        }
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    other => {
                        if !"\\/'\"\n".contains(other) {
                            out.push('\\');
                        }
                        out.push(other);
                    }
                },
                char if char == quote => {
                    // Templates that quote by hand leave quotes within as they are: the last is before a comma or bracket.
                    let after = self.at + at + char.len_utf8();
                    let next = self.text[after..].trim_start().chars().next().ok_or(Stop::More)?;
                    if ",:=)]}".contains(next) {
                        self.at = after;
                        return Ok(out);
                    }
                    out.push(char);
                }
                char => out.push(char),
            }
        }
        Err(Stop::More)
    }
}
