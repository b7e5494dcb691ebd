//! Chat templates: messages → the text, or the tokens, that a model was trained on.
//!
//! Templates are Jinja as Hugging Face runs it (`trim_blocks`, `lstrip_blocks`, Python's string
//! methods, `raise_exception`, `strftime_now`, an unescaped `tojson`).
//!
//! A template's own control tokens (`<|im_start|>`) become tokens; the same text inside a message
//! must not. So before rendering, a marker character goes in front of each place in a message
//! where a control token starts. The template moves, trims and splits message text as ever; in
//! the rendered text the markers are taken out again, and where they stood no control token is read.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::Metadata;
use crate::text::tokenizer::{EncodeOptions, Tokenizer};

/// Steps a template may take: about a second of work. A long chat takes some ten thousand.
const FUEL: u64 = 5_000_000;
const PROBE_FUEL: u64 = 500_000;
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// A text that no template writes by itself.
const PROBE: &str = "\u{f0f00}probe";

/// A parsed chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    content: Content,
}

/// The form of a message's `content` that a template reads.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Text,
    /// A list of `{type, text}`.
    Parts,
    Both,
}

/// What a template may ask for beside the messages.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// End with the start of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Tools in OpenAI's form.
    pub tools: Option<Json>,
    /// Unix time in seconds for `strftime_now`; without it the template sees no such function.
    pub now: Option<i64>,
    /// More variables (`enable_thinking`, `documents`).
    pub extra: Map<String, Json>,
}

impl ChatTemplate {
    /// The file's template; `None` where it has none (a base model).
    pub fn from_metadata(metadata: &Metadata) -> Result<Option<ChatTemplate>> {
        metadata.str("tokenizer.chat_template")?.map(ChatTemplate::new).transpose()
    }

    /// Errors: `BadTemplate` where the source does not parse.
    pub fn new(source: &str) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE_BYTES {
            bail!(BadTemplate, "The chat template has {} bytes, more than {MAX_SOURCE_BYTES}", source.len());
        }
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(bad_template("load"))?,
        );
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", tojson);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", without_generation_tags(source)).map_err(bad_template("parse"))?;
        let mut template = ChatTemplate { environment, content: Content::Both };
        template.environment.set_fuel(Some(PROBE_FUEL));
        template.content =
            match (template.shows(PROBE.into()), template.shows(json!([{"type": "text", "text": PROBE}]))) {
                (_, false) => Content::Text,
                (false, true) => Content::Parts,
                (true, true) => Content::Both,
            };
        template.environment.set_fuel(Some(FUEL));
        Ok(template)
    }

    /// Whether the probe comes out of the template as text (not quoted, as within a printed list).
    fn shows(&self, content: Json) -> bool {
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let text = self.render(&json!([{"role": "user", "content": content}]), &options).unwrap_or_default();
        text.split_once(PROBE).is_some_and(|(before, _)| !before.ends_with(['"', '\'']))
    }

    /// The text of a chat. `messages`: a list of `{role, content, …}` as in OpenAI's API.
    ///
    /// Errors: `BadOption` for messages of another form, `BadTemplate` where the template fails
    /// or refuses them.
    pub fn render(&self, messages: &Json, options: &RenderOptions) -> Result<String> {
        let messages = self.prepare(messages)?;
        let mut variables = options.extra.clone();
        variables.insert("messages".into(), messages);
        variables.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        if let Some(tools) = &options.tools {
            variables.insert("tools".into(), tools.clone());
        }
        let strftime = |now| Value::from_function(move |format: String| strftime(now, &format));
        let functions = Value::from_pairs(options.now.map(|now| ("strftime_now", strftime(now))));
        let template = self.environment.get_template("chat").map_err(bad_template("load"))?;
        template
            .render(minijinja::context! { ..functions, ..Value::from(Serde(&variables)) })
            .map_err(bad_template("render"))
    }

    /// Checks the form of the messages and gives each content the form that the template reads.
    fn prepare(&self, messages: &Json) -> Result<Json> {
        let mut prepared = list_of(messages)?.clone();
        for (index, message) in prepared.iter_mut().enumerate() {
            if !message.get("role").is_some_and(Json::is_string) {
                bail!(BadOption, "Message {index} has no role: each message is {{role, content}}");
            }
            let Some(content) = message.get_mut("content") else { continue };
            match content {
                Json::String(text) if self.content == Content::Parts => {
                    *content = json!([{"type": "text", "text": text}]);
                }
                Json::String(_) | Json::Null => {}
                Json::Array(_) if self.content != Content::Text => {}
                Json::Array(parts) => {
                    let text: Option<Vec<&str>> = parts.iter().map(|part| part.get("text")?.as_str()).collect();
                    match text {
                        Some(text) => *content = Json::String(text.concat()),
                        None => bail!(
                            BadOption,
                            "Message {index} has parts that are not text, which this model does not take"
                        ),
                    }
                }
                _ => bail!(BadOption, "The content of message {index} should be text"),
            }
        }
        Ok(Json::Array(prepared))
    }
}

/// The tokens of a chat: control tokens are read where the template wrote them, never inside
/// message text. BOS and EOS are added as the file says unless the template wrote them itself.
pub fn encode_chat(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &Json,
    options: &RenderOptions,
) -> Result<Vec<u32>> {
    let marker = unused_char(messages, options);
    let mut options = options.clone();
    let mut messages = messages.clone();
    mark(tokenizer, marker, &mut messages);
    options.tools.iter_mut().for_each(|tools| mark(tokenizer, marker, tools));
    options.extra.values_mut().for_each(|value| mark(tokenizer, marker, value));
    name_special_tokens(tokenizer, &mut options.extra);
    let rendered = template.render(&messages, &options)?;
    let mut text = String::with_capacity(rendered.len());
    let mut guarded = Vec::new();
    for char in rendered.chars() {
        if char == marker {
            guarded.push(text.len());
        } else {
            text.push(char);
        }
    }
    let parse = EncodeOptions { add_special: false, parse_special: true };
    let mut ids = tokenizer.encode_guarded(&text, parse, &guarded)?;
    if let Some(bos) = tokenizer.bos().filter(|bos| tokenizer.adds_bos() && ids.first() != Some(bos)) {
        ids.insert(0, bos);
    }
    Ok(ids)
}

/// The text of a chat, by a template's source and the tokens that a model's tokenizer names. Texts of control tokens inside
/// messages look as those of the template: tokens come from [`encode_chat`].
///
/// Errors: those of [`ChatTemplate::new`] and [`ChatTemplate::render`]; `NoTemplate` without a source.
pub fn render_chat(
    source: Option<&str>,
    tokenizer: Option<&Tokenizer>,
    messages: &Json,
    options: &RenderOptions,
) -> Result<String> {
    list_of(messages)?;
    let Some(source) = source else {
        bail!(NoTemplate, "This model has no chat template; give a plain text prompt instead of messages.");
    };
    let mut options = options.clone();
    if let Some(tokenizer) = tokenizer {
        name_special_tokens(tokenizer, &mut options.extra);
    }
    ChatTemplate::new(source)?.render(messages, &options)
}

/// `BadOption` where there is no message.
fn list_of(messages: &Json) -> Result<&Vec<Json>> {
    match messages.as_array() {
        Some(list) if !list.is_empty() => Ok(list),
        _ => bail!(BadOption, "Messages should be a list of at least one {{role, content}}"),
    }
}

/// The variables `bos_token` and `eos_token`, where the caller gives no others.
fn name_special_tokens(tokenizer: &Tokenizer, variables: &mut Map<String, Json>) {
    for (name, id) in [("bos_token", tokenizer.bos()), ("eos_token", tokenizer.eos())] {
        let text = id.and_then(|id| tokenizer.token_text(id)).unwrap_or_default();
        variables.entry(name).or_insert_with(|| text.into());
    }
}

/// Puts `marker` in front of each place in the texts of `value` where a control token starts.
fn mark(tokenizer: &Tokenizer, marker: char, value: &mut Json) {
    match value {
        Json::String(text) => *text = marked(tokenizer, marker, text),
        Json::Array(list) => list.iter_mut().for_each(|value| mark(tokenizer, marker, value)),
        Json::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                mark(tokenizer, marker, &mut value);
                map.insert(marked(tokenizer, marker, &key), value);
            }
        }
        _ => {}
    }
}

fn marked(tokenizer: &Tokenizer, marker: char, text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        if tokenizer.starts_with_control(&text[at..]) {
            marked.push(marker);
        }
        marked.push(char);
    }
    marked
}

/// A private-use character that none of the texts holds.
fn unused_char(messages: &Json, options: &RenderOptions) -> char {
    let text = format!("{messages}{:?}{:?}", options.tools, options.extra);
    let used: std::collections::HashSet<char> = text.chars().filter(|c| *c >= '\u{f0000}').collect();
    ('\u{f0000}'..='\u{10fffd}').find(|c| !used.contains(c)).unwrap_or('\u{f0000}')
}

fn bad_template(step: &'static str) -> impl Fn(minijinja::Error) -> Error {
    move |error| {
        let line = error.line().map(|line| format!(" at line {line}")).unwrap_or_default();
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
        Error::new(Code::BadTemplate, format!("The model's chat template does not {step}{line}: {detail}"))
    }
}

/// `{% generation %}` only marks the assistant's text for training: an `if` that always holds.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (tag, end) = (&rest[start..start + length], start + length);
        let name = tag[2..].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        out.push_str(&rest[..start]);
        match name {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = &rest[end..];
    }
    out + rest
}

/// `json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)`; Hugging Face's default is False.
fn tojson(value: Value, indent: Option<usize>, named: Kwargs) -> Result<Value, minijinja::Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => named.get::<Option<usize>>("indent")?,
    };
    let blanks = " ".repeat(indent.unwrap_or(0).min(16));
    let mut out = Vec::new();
    let written = match indent {
        Some(_) => {
            let pretty = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    let json = String::from_utf8_lossy(&out).into_owned();
    let ascii = named.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    Ok(Value::from(if ascii { escaped(&json) } else { json }))
}

/// Characters past ASCII as `\uXXXX`.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => out.push(char::from(ascii)),
            _ => out += &format!("\\u{unit:04x}"),
        }
    }
    out
}

/// Python's default separators: ", " and ": ".
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The directives of `strftime` that templates use, in UTC. `now`: seconds since 1970.
fn strftime(now: i64, format: &str) -> String {
    let (days, seconds) = (now.div_euclid(86_400), now.rem_euclid(86_400));
    // Days to a civil date, counted from 0000-03-01 in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let month_name = MONTHS[(month - 1) as usize % 12];
    let day_name = DAYS[days.rem_euclid(7) as usize];

    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year.rem_euclid(100)),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('B') => out += month_name,
            Some('b') => out += &month_name[..3],
            Some('A') => out += day_name,
            Some('a') => out += &day_name[..3],
            Some('H') => out += &format!("{:02}", seconds / 3600),
            Some('M') => out += &format!("{:02}", seconds / 60 % 60),
            Some('S') => out += &format!("{:02}", seconds % 60),
            Some('-') => match chars.next() {
                Some('d') => out += &day.to_string(),
                Some('m') => out += &month.to_string(),
                other => out.extend(['%', '-'].into_iter().chain(other)),
            },
            Some('%') => out.push('%'),
            other => out.extend(std::iter::once('%').chain(other)),
        }
    }
    out
}
