//! llama.cpp's grammars (`grammars/README.md` of its source), read into rules.

use crate::{Result, limits, refuse};

/// Sequences of which one is taken.
pub type Choice = Vec<Vec<Item>>;

/// A part of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// This text.
    Text(String),
    /// A character of these ranges, or of none of them.
    Class {
        /// Of none.
        negated: bool,
        /// First and last.
        ranges: Vec<(char, char)>,
    },
    /// Any character.
    Any,
    /// What the rule of this name and line gives.
    Rule(String, usize),
    /// A token, as Lark writes it: `<name>` or `<[id]>`.
    Token(String),
    /// One of these.
    Group(Choice),
    /// The item, at least and at most so many times.
    Repeat(Box<Item>, u32, Option<u32>),
}

/// A rule: its name, and what it gives.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it gives.
    pub choice: Choice,
}

/// The rules of a grammar. Refused: what does not follow the syntax, with its line.
pub fn parse(text: &str) -> Result<Vec<Rule>> {
    let mut reader = Reader { text, at: 0, depth: 0, counted: (0, 1) };
    let mut rules = Vec::new();
    reader.blank(true);
    while !reader.rest().is_empty() {
        let name = reader.name()?;
        reader.blank(false);
        reader.expect("::=", "after the name of a rule")?;
        reader.blank(true);
        let choice = reader.choice()?;
        rules.push(Rule { name, choice });
        if rules.len() > limits::RULES {
            refuse!("The grammar has more than {} rules.", limits::RULES);
        }
        if !reader.rest().is_empty() && !reader.rest().starts_with(['\n', '\r']) {
            return reader.unexpected("a new line and a rule");
        }
        reader.blank(true);
    }
    Ok(rules)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Groups that are open.
    depth: usize,
    /// Up to where lines were counted, and the line there.
    counted: (usize, usize),
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn line(&mut self) -> usize {
        let (before, line) = self.counted;
        let lines = |from: usize, to: usize| self.text[from..to].matches('\n').count();
        let line = if before <= self.at { line + lines(before, self.at) } else { line - lines(self.at, before) };
        self.counted = (self.at, line);
        line
    }

    fn unexpected<T>(&mut self, wanted: &str) -> Result<T> {
        let line = self.line();
        match self.rest().chars().next() {
            Some(c) => refuse!("The grammar has {c:?} in line {line}, where {wanted} belongs."),
            None => refuse!("The grammar ends in line {line}, where {wanted} belongs."),
        }
    }

    fn expect(&mut self, text: &str, place: &str) -> Result<()> {
        if !self.take(text) {
            return self.unexpected(&format!("\"{text}\" {place}"));
        }
        Ok(())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let taken = rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())].to_string();
        self.at += taken.len();
        taken
    }

    /// Skips blanks and comments, and the ends of lines where they mean nothing.
    fn blank(&mut self, lines: bool) {
        loop {
            self.take_while(|c| c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')));
            if !self.rest().starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn name(&mut self) -> Result<String> {
        let name = self.take_while(is_of_name);
        if name.is_empty() { self.unexpected("a rule's name") } else { Ok(name) }
    }

    fn choice(&mut self) -> Result<Choice> {
        let mut choice = vec![self.sequence()?];
        loop {
            // An alternative may begin the next line.
            let before = self.at;
            self.blank(true);
            if !self.take("|") {
                self.at = before;
                return Ok(choice);
            }
            self.blank(true);
            choice.push(self.sequence()?);
        }
    }

    fn sequence(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            self.blank(self.depth > 0);
            let Some(mut item) = self.item()? else { return Ok(items) };
            while let Some((least, most)) = self.repetition()? {
                item = Item::Repeat(Box::new(item), least, most);
            }
            items.push(item);
        }
    }

    fn item(&mut self) -> Result<Option<Item>> {
        let line = self.line();
        let Some(c) = self.rest().chars().next() else { return Ok(None) };
        Ok(Some(match c {
            '"' => {
                self.next();
                let mut text = String::new();
                while !self.take("\"") {
                    text.push(self.character(line, "text")?);
                }
                Item::Text(text)
            }
            '[' => {
                self.next();
                self.class(line)?
            }
            '.' => {
                self.next();
                Item::Any
            }
            '<' => {
                let token = self.take_while(|c| c != '>' && !c.is_whitespace());
                self.expect(">", "after a token's name")?;
                Item::Token(format!("{token}>"))
            }
            '!' => refuse!(
                "The grammar excludes a token in line {line} (\"!\"), which is not read; name those that may come."
            ),
            '(' => {
                if self.depth == limits::NESTING {
                    refuse!("The grammar has more than {} groups in groups in line {line}.", limits::NESTING);
                }
                self.next();
                self.depth += 1;
                self.blank(true);
                let choice = self.choice()?;
                self.blank(true);
                self.depth -= 1;
                self.expect(")", "at the end of a group")?;
                Item::Group(choice)
            }
            c if is_of_name(c) => {
                let start = self.at;
                let name = self.name()?;
                // The next rule begins here: this one ended with its line.
                self.blank(false);
                if self.rest().starts_with("::=") {
                    self.at = start;
                    return self.unexpected("the rest of a rule");
                }
                self.at = start + name.len();
                Item::Rule(name, line)
            }
            _ => return Ok(None),
        }))
    }

    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>> {
        let line = self.line();
        // Blanks may stand before it, as llama.cpp reads it.
        let before = self.at;
        self.blank(self.depth > 0);
        for (sign, least, most) in [("*", 0, None), ("+", 1, None), ("?", 0, Some(1))] {
            if self.take(sign) {
                return Ok(Some((least, most)));
            }
        }
        if !self.take("{") {
            self.at = before;
            return Ok(None);
        }
        let least = self.count(line)?;
        let most = match self.take(",") {
            false => Some(least),
            true if self.rest().trim_start().starts_with('}') => None,
            true => Some(self.count(line)?),
        };
        self.blank(false);
        self.expect("}", "after a number of repetitions")?;
        if most.is_some_and(|most| most < least) {
            refuse!(
                "The grammar repeats something {least} to {} times in line {line}; the first must not be larger.",
                most.unwrap_or(0)
            );
        }
        Ok(Some((least, most)))
    }

    fn count(&mut self, line: usize) -> Result<u32> {
        self.blank(false);
        let digits = self.take_while(|c| c.is_ascii_digit());
        self.blank(false);
        match digits.parse::<u32>() {
            Ok(count) if u64::from(count) <= limits::ITEMS => Ok(count),
            _ if digits.is_empty() => self.unexpected("a number of repetitions"),
            _ => refuse!(
                "The grammar repeats something {digits} times in line {line}; at most {} are taken.",
                limits::ITEMS
            ),
        }
    }

    fn class(&mut self, line: usize) -> Result<Item> {
        let negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            let first = self.character(line, "class")?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            let last = if is_range {
                self.next();
                self.character(line, "class")?
            } else {
                first
            };
            if last < first {
                refuse!(
                    "The grammar has the range {first:?} to {last:?} in line {line}; the first must not be larger."
                );
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() && !negated {
            refuse!("The grammar has an empty class in line {line}, which nothing matches.");
        }
        Ok(Item::Class { negated, ranges })
    }

    /// One character of a text or a class, which may be an escape.
    fn character(&mut self, line: usize, what: &str) -> Result<char> {
        let Some(c) = self.next().filter(|c| *c != '\n') else {
            refuse!("The grammar's {what} in line {line} does not end.");
        };
        if c != '\\' {
            return Ok(c);
        }
        let escape = self.next().unwrap_or(' ');
        let digits = match escape {
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' => return Ok(escape),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => refuse!("The grammar has the escape \"\\{escape}\" in line {line}, which is not known."),
        };
        let hex: String = self.rest().chars().take(digits).collect();
        let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits).and_then(char::from_u32);
        let Some(c) = code else {
            refuse!("The grammar has the escape \"\\{escape}{hex}\" in line {line}, which is no character.");
        };
        self.at += digits;
        Ok(c)
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}
