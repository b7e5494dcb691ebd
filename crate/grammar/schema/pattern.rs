//! Regular expressions as schemas have them (ECMA-262, with the flag `u`), written as the crate `regex` has them. The two
//! differ in what a dot, a class of white space or an escape is; and what cannot be enforced is refused.

use regex_syntax::ast::{self, AssertionKind, Ast, Span};

use crate::{expression, limits};

const SPACE: &str = r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";

/// The same expression for the crate `regex`. The error says what is not enforced, as the end of a sentence.
pub fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > limits::TEXT_BYTES {
        return Err(format!("has {} bytes, of at most {}", pattern.len(), limits::TEXT_BYTES));
    }
    let mut reader = Reader { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 16) };
    reader.read()?;
    check(&reader.out)?;
    Ok(reader.out)
}

/// As [`translate`], of an expression that is to match a text as a whole: so anchors at its ends say nothing.
pub fn translate_whole(pattern: &str) -> Result<String, String> {
    let mut whole = translate(pattern)?;
    let mut spans = anchors(&parse(&whole)?);
    spans.sort_unstable_by_key(|span| span.start.offset);
    for span in spans.iter().rev() {
        whole.replace_range(span.start.offset..span.end.offset, "");
    }
    Ok(format!("(?:{whole})"))
}

/// As [`translate`], of an expression that matches a whole text where the given one matches somewhere in it.
pub fn searched(pattern: &str) -> Result<String, String> {
    within(&translate(pattern)?)
}

/// As [`searched`], of an expression that is translated.
pub fn within(translated: &str) -> Result<String, String> {
    let parsed = parse(translated)?;
    let branch = |branch: &Ast| {
        let ends = anchors(branch);
        let span = branch.span();
        // Without its anchors, each of which is one byte at an end.
        let starts = ends.iter().any(|end| end.start.offset == span.start.offset && is_start(translated, end));
        let stops = ends.iter().any(|end| end.end.offset == span.end.offset && !is_start(translated, end));
        let inner = &translated[span.start.offset + usize::from(starts)..span.end.offset - usize::from(stops)];
        let [before, after] = [starts, stops].map(|anchored| if anchored { "" } else { "(?s:.*)" });
        format!("{before}(?:{inner}){after}")
    };
    let branches: Vec<String> = match &parsed {
        Ast::Alternation(all) => all.asts.iter().map(branch).collect(),
        one => vec![branch(one)],
    };
    Ok(format!("(?:{})", branches.join("|")))
}

fn is_start(text: &str, anchor: &Span) -> bool {
    text[anchor.start.offset..].starts_with('^')
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => {
                    self.escape(false)?;
                }
                '[' => self.class()?,
                '(' => self.group()?,
                '.' => self.out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
                '{' if !self.is_repetition() => self.out.push_str(r"\{"),
                '{' => {
                    self.out.push('{');
                    for c in self.rest.by_ref() {
                        self.out.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                ']' | '}' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '#' | ' ' => self.out.push_str(&format!(r"\x{:02X}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        Ok(())
    }

    /// Whether what follows an opening brace makes it a repetition: `3}`, `3,}`, `3,5}`.
    fn is_repetition(&self) -> bool {
        let mut rest = self.rest.clone();
        let digits = |rest: &mut std::iter::Peekable<std::str::Chars>| {
            let mut any = false;
            while rest.next_if(char::is_ascii_digit).is_some() {
                any = true;
            }
            any
        };
        if !digits(&mut rest) {
            return false;
        }
        if rest.next_if_eq(&',').is_some() {
            digits(&mut rest);
        }
        rest.next() == Some('}')
    }

    fn group(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str("(?:");
            return Ok(());
        }
        match (self.rest.next(), self.rest.peek()) {
            (Some(':'), _) => {}
            // Letters of either case, as `\w` and the like take them: the two languages agree.
            (Some('i'), Some(':')) => {
                self.rest.next();
                self.out.push_str("(?i:");
                return Ok(());
            }
            (Some('='), _) => return Err("looks ahead, \"(?=\"".into()),
            (Some('!'), _) => return Err("looks ahead, \"(?!\"".into()),
            (Some('<'), Some('=' | '!')) => return Err("looks behind, \"(?<\"".into()),
            (Some('<'), _) => while self.rest.next().is_some_and(|c| c != '>') {},
            _ => return Err("has a group that is not known, \"(?\"".into()),
        }
        self.out.push_str("(?:");
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            if !negated {
                return Err("has an empty class, \"[]\"".into());
            }
            self.out.push_str("(?s:.)");
            return Ok(());
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        // Whether a hyphen here would make a range of what stands before it, and whether one has.
        let (mut begins, mut ranges) = (false, false);
        loop {
            let ranged = std::mem::take(&mut ranges);
            match self.rest.next() {
                None => return Err("has a class that does not end".into()),
                Some(']') => break,
                Some('\\') => {
                    let is_set = self.escape(true)?;
                    if is_set && ranged {
                        return Err("has a range that ends with a class".into());
                    }
                    begins = !is_set && !ranged;
                }
                Some('-') if begins => {
                    self.out.push('-');
                    (begins, ranges) = (false, true);
                }
                // These mean something in classes of the crate alone.
                Some(c @ ('[' | '&' | '~' | '#' | ' ' | '-')) => {
                    self.out.push_str(&format!(r"\x{:02X}", u32::from(c)));
                    begins = !ranged;
                }
                Some(c) => {
                    self.out.push(c);
                    begins = !ranged;
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// Whether it stands for a set of characters.
    fn escape(&mut self, in_class: bool) -> Result<bool, String> {
        let Some(c) = self.rest.next() else { return Err("ends with a backslash".into()) };
        let negated = c.is_ascii_uppercase();
        let set = match c.to_ascii_lowercase() {
            'd' => Some(DIGIT),
            'w' => Some(WORD),
            's' => Some(SPACE),
            _ => None,
        };
        match (c, set) {
            (_, Some(set)) if negated => self.out.push_str(&format!("[^{set}]")),
            (_, Some(set)) if in_class => self.out.push_str(set),
            (_, Some(set)) => self.out.push_str(&format!("[{set}]")),
            ('b', _) if in_class => self.out.push_str(r"\x08"),
            ('b' | 'B', _) => return Err(format!("asks for a word's boundary, \"\\{c}\"")),
            ('t' | 'n' | 'r', _) => {
                self.out.push('\\');
                self.out.push(c);
            }
            ('v', _) => self.out.push_str(r"\x0B"),
            ('f', _) => self.out.push_str(r"\x0C"),
            ('0', _) => self.out.push_str(r"\x00"),
            ('1'..='9' | 'k', _) => return Err(format!("refers back to a group, \"\\{c}\"")),
            ('c', _) => {
                let Some(letter) = self.rest.next_if(char::is_ascii_alphabetic) else {
                    return Err("has a control character without its letter, \"\\c\"".into());
                };
                self.out.push_str(&format!(r"\x{:02X}", u32::from(letter) % 32));
            }
            ('x', _) => {
                let code = self.hex(2)?;
                self.push_code(code)?;
            }
            ('u', _) => {
                let code = self.code_point()?;
                self.push_code(code)?;
            }
            ('p' | 'P', _) => {
                self.out.push('\\');
                self.out.push(c);
                if self.rest.peek() != Some(&'{') {
                    return Err(format!("has a property of characters without its name, \"\\{c}\""));
                }
                for c in self.rest.by_ref() {
                    self.out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            (c, _) if c.is_ascii_alphanumeric() => return Err(format!("has an escape that is not known, \"\\{c}\"")),
            (c, _) if c.is_ascii() => self.out.push_str(&format!(r"\x{:02X}", u32::from(c))),
            (c, _) => self.out.push(c),
        }
        Ok(set.is_some() || matches!(c, 'p' | 'P'))
    }

    /// After `\u`: four digits, two times four for one character beyond them, or digits in braces.
    fn code_point(&mut self) -> Result<u32, String> {
        if self.rest.next_if_eq(&'{').is_some() {
            let mut code = 0_u32;
            while let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) {
                code = code.saturating_mul(16).saturating_add(digit.to_digit(16).unwrap_or(0));
            }
            if self.rest.next() != Some('}') {
                return Err("has a character's number without its end, \"\\u{\"".into());
            }
            return Ok(code);
        }
        let high = self.hex(4)?;
        if (0xD800..0xDC00).contains(&high) && self.rest.next_if_eq(&'\\').is_some() {
            if self.rest.next() != Some('u') {
                return Err("has half a character, \"\\u\"".into());
            }
            let low = self.hex(4)?;
            return Ok(0x10000 + ((high - 0xD800) << 10) + low.wrapping_sub(0xDC00));
        }
        Ok(high)
    }

    fn hex(&mut self, digits: usize) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| format!("has a character's number without its {digits} digits"))?;
        }
        Ok(code)
    }

    fn push_code(&mut self, code: u32) -> Result<(), String> {
        let Some(c) = char::from_u32(code) else { return Err("has half a character, \"\\u\"".into()) };
        self.out.push_str(&format!(r"\u{{{:X}}}", u32::from(c)));
        Ok(())
    }
}

/// Whether it parses, and where its anchors stand: elsewhere than at the ends of the whole they are not enforced.
fn check(text: &str) -> Result<(), String> {
    let parsed = parse(text)?;
    expression::check_repeats(&parsed)?;
    if ast::visit(&parsed, Visitor::default())? != anchors(&parsed).len() {
        return Err("has \"^\" or \"$\" elsewhere than at its ends".into());
    }
    Ok(())
}

fn parse(expression: &str) -> Result<Ast, String> {
    let parsed = ast::parse::ParserBuilder::new().nest_limit(limits::NESTING as u32).build().parse(expression);
    parsed.map_err(|e| format!("is not understood: {}", e.kind()))
}

/// Where the anchors at the ends of the whole, or of one of its alternatives, stand.
fn anchors(parsed: &Ast) -> Vec<Span> {
    let branches = match parsed {
        Ast::Alternation(all) => all.asts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let ends = branches.iter().flat_map(|branch| {
        let items = match branch {
            Ast::Concat(concat) => concat.asts.as_slice(),
            one => std::slice::from_ref(one),
        };
        [(items.first(), AssertionKind::StartLine), (items.last(), AssertionKind::EndLine)]
    });
    ends.filter_map(|(end, kind)| match end {
        Some(Ast::Assertion(anchor)) if anchor.kind == kind => Some(anchor.span),
        _ => None,
    })
    .collect()
}

/// Counts anchors.
#[derive(Default)]
struct Visitor(usize);

impl ast::Visitor for Visitor {
    type Output = usize;
    type Err = String;

    fn finish(self) -> Result<usize, String> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        self.0 += usize::from(matches!(ast, Ast::Assertion(_)));
        Ok(())
    }
}
