//! The source of a template before minijinja reads it: refused where it is nested deeper than a small stack can follow,
//! and completed with calls of what watches it while it runs (`limits.rs`) and of what minijinja has no operator for.

use super::lexer::{self, Kind, Token, line, raw_end, too_deep};
use crate::bail;
use crate::base::error::Result;

/// How deep an expression may be: operators in a row count, for they nest too.
const MAX_NESTED: usize = 160;
/// Blocks within each other; an `elif` is one more.
const MAX_BLOCKS: usize = 48;

/// Filters whose results are no containers, or no deeper than what they take.
const PLAIN_FILTERS: &[&str] = &[
    "abs",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "replace",
    "round",
    "safe",
    "string",
    "title",
    "tojson",
    "trim",
    "upper",
];
/// Statements that have a body.
const BLOCKS: &[&str] = &["if", "for", "macro", "call", "filter", "with", "autoescape", "block", "generation"];
/// Statements that the clock is looked at before.
const WATCHED: &[&str] = &["if", "for", "set", "with", "do", "call", "include", "filter", "autoescape"];
const KEYWORDS: &[&str] = &["and", "or", "not", "in", "is", "if", "else", "recursive"];

/// The source with its insertions.
///
/// Errors: `BadTemplate` where it is nested too deep, or uses a name of ours.
pub fn rewritten(source: &str) -> Result<String> {
    let mut writer = Writer { source, inserts: Vec::new(), blocks: Vec::new() };
    let mut at = 0;
    while let Some(start) = source[at..].find('{').map(|found| at + found) {
        at = match source.as_bytes().get(start + 1) {
            Some(b'#') => source[start..].find("#}").map_or(source.len(), |end| start + end + 2),
            Some(b'%') => match raw_end(&source[start..]) {
                Some(length) => start + length,
                None => writer.tag(start)?,
            },
            Some(b'{') => writer.tag(start)?,
            _ => start + 1,
        };
    }
    Ok(writer.finish())
}

struct Writer<'a> {
    source: &'a str,
    /// At an offset, so many bytes are replaced by a text. Of several at one place the first stands first.
    inserts: Vec<(usize, usize, &'static str)>,
    /// For each open block the times that `elif` stands in it.
    blocks: Vec<usize>,
}

/// What is open at a place of an expression: the tag itself, or a bracket.
#[derive(Default)]
struct Level<'a> {
    opening: &'a str,
    /// Where it opens, and where the value that it follows starts.
    start: usize,
    owner: usize,
    /// `(`: of a call. `[`: behind a value.
    behind: bool,
    comma: bool,
    colon: bool,
    /// Where a slice's bound starts.
    bound: usize,
    /// The filter that its arguments are of.
    filter: Option<&'a str>,
    /// Starts of what is being read: a value with what is behind it, a factor, a product, a sum.
    value: usize,
    factor: usize,
    product: usize,
    sum: usize,
    /// The last sum before `not`.
    negated: usize,
    joined: bool,
    times: bool,
    /// What is added up, and whether a part of it is marked safe.
    addend: usize,
    added: Vec<(usize, usize)>,
    safe: bool,
    operators: usize,
    inner: usize,
    deepest: usize,
}

impl Level<'_> {
    fn depth(&self) -> usize {
        self.deepest.max(self.operators + self.inner)
    }

    /// A new expression starts at `at`.
    fn fresh(&mut self, at: usize) {
        (self.value, self.factor, self.product, self.sum, self.addend) = (at, at, at, at, at);
    }
}

impl<'a> Writer<'a> {
    fn finish(mut self) -> String {
        self.inserts.sort_by_key(|(at, _, _)| *at);
        let mut out = String::with_capacity(self.source.len() * 2);
        let mut last = 0;
        for (at, replaced, text) in self.inserts {
            out.push_str(&self.source[last..at]);
            out.push_str(text);
            last = at + replaced;
        }
        out.push_str(&self.source[last..]);
        out
    }

    fn insert(&mut self, at: usize, text: &'static str) {
        self.inserts.push((at, 0, text));
    }

    /// Puts a filter behind operators' operands: it would bind to the last of them.
    fn enclose(&mut self, start: usize, end: usize, filter: &'static str) {
        self.insert(start, "((");
        self.insert(end, filter);
    }

    /// Puts a filter behind one value.
    fn wrap(&mut self, start: usize, end: usize, filter: &'static str) {
        self.insert(start, "(");
        self.insert(end, filter);
    }

    /// Reads the tag at `start`; returns its end.
    fn tag(&mut self, start: usize) -> Result<usize> {
        let block = self.source[start..].starts_with("{%");
        let closing = if block { "%}" } else { "}}" };
        let mut at = start + 2;
        let sign = self.source[at..].chars().next().filter(|sign| matches!(sign, '-' | '+'));
        at += usize::from(sign.is_some());
        let (tokens, end) = lexer::tokens(self.source, at, closing)?;
        let mut tokens = &tokens[..];
        let mut statement = "";
        if block {
            let Some(first) = tokens.first() else { return Ok(end) };
            statement = first.text;
            if WATCHED.contains(&statement) {
                self.insert(
                    start,
                    match sign {
                        Some('-') => "{%- do sotto_tick() %}",
                        Some(_) => "{%+ do sotto_tick() %}",
                        None => "{% do sotto_tick() %}",
                    },
                );
            }
            self.statement(first, tokens)?;
            tokens = &tokens[1..];
        }
        self.expression(statement, tokens)?;
        Ok(end)
    }

    /// The blocks that a statement opens and closes.
    fn statement(&mut self, first: &Token<'a>, tokens: &[Token<'a>]) -> Result<()> {
        let name = first.text;
        match name {
            // Marks the assistant's text for training: an `if` that always holds.
            "generation" => self.inserts.push((first.start, name.len(), "if true")),
            "endgeneration" => self.inserts.push((first.start, name.len(), "endif")),
            "if" | "elif" => self.insert(first.end, " not sotto_tick() or"),
            _ => {}
        }
        let bodied = BLOCKS.contains(&name) || (name == "set" && !tokens.iter().any(|token| token.text == "="));
        if bodied {
            self.blocks.push(0);
        } else if name.starts_with("end") {
            self.blocks.pop();
        } else if let ("elif", Some(more)) = (name, self.blocks.last_mut()) {
            *more += 1;
        }
        if self.blocks.len() + self.blocks.iter().sum::<usize>() > MAX_BLOCKS {
            bail!(
                BadTemplate,
                "The model's chat template nests more than {MAX_BLOCKS} blocks at line {}",
                line(self.source, first.start)
            );
        }
        Ok(())
    }

    /// Wraps what makes containers, and what prints them.
    #[allow(clippy::too_many_lines, reason = "a table: one arm a kind of token")]
    fn expression(&mut self, statement: &str, tokens: &[Token<'a>]) -> Result<()> {
        let Some(first) = tokens.first() else { return Ok(()) };
        let mut levels = vec![Level::default()];
        levels[0].fresh(first.start);
        // Whether the token before ends a value, and the one before is a dot, a pipe or `is`.
        let (mut value, mut naming) = (false, "");
        let mut end = first.start;
        let mut assigned = false;
        let mut target = statement == "for";
        let mut last = "";
        let mut index = 0;
        while index < tokens.len() {
            let token = tokens[index];
            let next = tokens.get(index + 1).map_or("", |next| next.text);
            let after = tokens.get(index + 1).map_or(token.end, |next| next.start);
            let depth = levels.len();
            let Some(level) = levels.last_mut() else { break };
            match token.text {
                "(" | "[" | "{" if token.kind == Kind::Mark => {
                    if !value {
                        level.value = token.start;
                    }
                    level.operators += 1;
                    let cycle = last == "cycle" && matches!(next, ")" | "*");
                    let filter = (value && token.text == "(").then_some(naming).filter(|name| !name.is_empty());
                    let owner = level.value;
                    let behind = value || (statement == "call" && index == 0);
                    let mut inner =
                        Level { opening: token.text, start: token.start, owner, behind, filter, ..Level::default() };
                    inner.fresh(after);
                    inner.bound = after;
                    levels.push(inner);
                    if cycle {
                        bail!(
                            BadTemplate,
                            "The model's chat template calls cycle without a value at line {}",
                            line(self.source, token.start)
                        );
                    }
                    (value, naming) = (false, "");
                }
                ")" | "]" | "}" if token.kind == Kind::Mark && depth > 1 => {
                    self.close_sum(level, end);
                    if value && level.colon {
                        self.close_bound(level, end);
                    }
                    let Some(inner) = levels.pop() else { break };
                    let Some(level) = levels.last_mut() else { break };
                    level.inner = level.inner.max(inner.depth() + 1);
                    let literal = match inner.opening {
                        // What is assigned to is no tuple.
                        "(" => !inner.behind && inner.comma && next != "=" && !(target && levels.len() == 1),
                        "[" => !inner.behind,
                        _ => true,
                    };
                    if literal {
                        self.wrap(inner.start, token.end, "|sotto_keep)");
                    } else if inner.opening == "[" && inner.colon {
                        self.wrap(inner.owner, inner.start, "|sotto_short)");
                        self.wrap(inner.owner, token.end, "|sotto_keep)");
                    } else if inner.filter.is_some_and(|name| !PLAIN_FILTERS.contains(&name)) {
                        self.insert(token.end, "|sotto_keep");
                    }
                    (value, naming) = (true, "");
                }
                "," => {
                    self.close_sum(level, end);
                    level.comma = true;
                    level.deepest = level.depth();
                    (level.operators, level.inner) = (0, 0);
                    level.fresh(after);
                    (value, naming) = (false, "");
                }
                ":" => {
                    self.close_sum(level, end);
                    if value {
                        self.close_bound(level, end);
                    }
                    level.colon = true;
                    level.bound = after;
                    level.fresh(after);
                    (value, naming) = (false, "");
                }
                "=" => {
                    level.fresh(after);
                    if depth == 1 && statement == "set" && !assigned && index + 1 < tokens.len() {
                        assigned = true;
                        self.insert(after, "(");
                    }
                    (value, naming) = (false, "");
                }
                "." | "|" if token.kind == Kind::Mark => {
                    level.operators += 1;
                    naming = token.text;
                    value = false;
                }
                "~" => {
                    self.close_times(level, end);
                    self.enclose(level.product, end, ")|sotto_text)");
                    level.joined = true;
                    level.operators += 1;
                    (level.product, level.factor, level.value) = (after, after, after);
                    (value, naming) = (false, "");
                }
                "+" | "-" if value => {
                    self.close_product(level, end);
                    level.added.push((level.addend, end));
                    level.addend = after;
                    level.operators += 1;
                    (level.product, level.factor, level.value) = (after, after, after);
                    value = false;
                }
                "-" => level.operators += 1,
                "*" | "/" | "//" | "%" | "**" if value => {
                    level.operators += 1;
                    if token.text == "%" && tokens[index - 1].kind == Kind::Text {
                        let stop = operand_end(tokens, index + 1);
                        self.inserts.push((token.start, 1, "|percent("));
                        self.insert(tokens.get(stop.wrapping_sub(1)).map_or(token.end, |last| last.end), ")");
                    }
                    if token.text == "*" {
                        self.enclose(level.factor, end, ")|sotto_scalar)");
                        level.times = true;
                        level.factor = after;
                    } else {
                        self.close_times(level, end);
                        level.factor = after;
                    }
                    value = false;
                }
                "==" | "!=" | "<" | ">" | "<=" | ">=" => {
                    self.close_sum(level, end);
                    level.operators += 1;
                    level.fresh(after);
                    value = false;
                }
                "in" if depth == 1 && target => {
                    target = false;
                    level.fresh(after);
                    value = false;
                }
                "and" | "or" | "not" | "in" | "if" | "else" | "recursive" if naming.is_empty() => {
                    let negated = token.text == "not" && value;
                    self.close_sum(level, end);
                    if token.text == "in" {
                        let start = if last == "not" { level.negated } else { level.sum };
                        self.enclose(start, if last == "not" { tokens[index - 2].end } else { end }, ")|sotto_keep)");
                    }
                    if negated {
                        level.negated = level.sum;
                    }
                    if token.text == "if" && depth == 1 && statement == "for" {
                        self.insert(token.end, " not sotto_tick() or");
                    }
                    level.operators += 1;
                    level.fresh(after);
                    value = false;
                }
                "is" if value => {
                    level.operators += 1;
                    naming = "is";
                    value = false;
                    if next == "not" {
                        index += 1;
                    }
                }
                name if token.kind == Kind::Name => {
                    if naming.is_empty() && !value {
                        level.value = token.start;
                    }
                    let filter = naming == "|" || (statement == "filter" && depth == 1 && last.is_empty());
                    if filter && next != "(" && next != "." && !PLAIN_FILTERS.contains(&name) {
                        self.insert(token.end, "|sotto_keep");
                    }
                    level.safe |= filter && name == "safe";
                    naming = if filter && next == "(" { name } else { "" };
                    value = !(KEYWORDS.contains(&name) && naming.is_empty() && last != ".");
                }
                _ => {
                    if !value && naming != "." {
                        level.value = token.start;
                    }
                    (value, naming) = (matches!(token.kind, Kind::Text | Kind::Number), "");
                }
            }
            last = tokens[index].text;
            end = tokens[index].end;
            if levels.iter().map(Level::depth).sum::<usize>() > MAX_NESTED {
                return Err(too_deep(self.source, first.start));
            }
            index += 1;
        }
        if let Some(level) = levels.last_mut() {
            self.close_sum(level, end);
        }
        if assigned {
            let namespaced = tokens.get(1).is_some_and(|token| token.text == ".");
            self.insert(end, if namespaced { ")|sotto_store" } else { ")|sotto_keep" });
        } else if statement == "set" && tokens.iter().any(|token| token.text == "|") {
            self.insert(end, "|sotto_store");
        }
        Ok(())
    }

    /// A sum ends. As Python's markup has it, what is added to a safe text is escaped.
    fn close_sum(&mut self, level: &mut Level<'a>, end: usize) {
        self.close_product(level, end);
        let mut added = std::mem::take(&mut level.added);
        if std::mem::take(&mut level.safe) && !added.is_empty() {
            added.push((level.addend, end));
            for (start, end) in added {
                self.enclose(start, end, ")|escape)");
            }
        }
    }

    /// A bound of a slice ends.
    fn close_bound(&mut self, level: &Level<'a>, end: usize) {
        if level.opening == "[" && level.behind {
            self.enclose(level.bound, end, ")|sotto_bound)");
        }
    }

    /// The factor behind `*` ends.
    fn close_times(&mut self, level: &mut Level<'a>, end: usize) {
        if std::mem::take(&mut level.times) {
            self.enclose(level.factor, end, ")|sotto_scalar)");
        }
    }

    /// The product behind `~` ends.
    fn close_product(&mut self, level: &mut Level<'a>, end: usize) {
        self.close_times(level, end);
        if std::mem::take(&mut level.joined) {
            self.enclose(level.product, end, ")|sotto_text)");
        }
    }
}

/// Where the operand at `at` ends: a value with what is behind it and its filters.
fn operand_end(tokens: &[Token], mut at: usize) -> usize {
    let mut open = 0;
    let mut value = false;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "(" | "[" | "{" if open > 0 || !value || token.text != "{" => open += 1,
            ")" | "]" | "}" if open == 0 => break,
            ")" | "]" | "}" => open -= 1,
            "." | "|" => {
                at += 2;
                value = true;
                continue;
            }
            _ if open == 0 && value => break,
            _ => {}
        }
        value = true;
        at += 1;
    }
    at.min(tokens.len())
}
