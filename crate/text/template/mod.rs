//! Chat templates: messages → the text, or the tokens, that a model was trained on.
//!
//! Templates are Jinja as Hugging Face runs it, byte for byte: `python.rs` and `dump.rs` bring what minijinja does
//! otherwise, `messages.rs` makes of messages what templates want. A template comes with a file from anywhere, so it is
//! held to bounds: of its source before it is parsed (`rewrite.rs`), and while it runs (`limits.rs`).

mod dict;
mod dump;
mod lexer;
mod limits;
mod messages;
mod python;
mod rerank;
mod rewrite;
mod source;
mod time;
mod tokens;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value};
use serde_json::{Map, Value as Json, json};

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::base::platform::Instant;
use limits::FUEL;
use messages::{Content, Form, list_of};
pub use rerank::encode_rerank;
pub use source::{Templates, render_chat};
pub use tokens::encode_chat;

const PROBE_FUEL: u64 = 300_000;
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Messages that are looked through for the one that a template refuses.
const MAX_BLAMED: usize = 20;
/// Characters of what a template says when it refuses.
const MAX_WORDS: usize = 500;
/// A text that no template writes by itself.
const PROBE: &str = "\u{f0f00}probe";

/// A parsed chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    content: Content,
    developer: bool,
    source: String,
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
    /// Errors: `BadTemplate` where the source does not parse, or is nested too deep.
    pub fn new(source: &str) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE_BYTES {
            bail!(BadTemplate, "The chat template has {} bytes, more than {MAX_SOURCE_BYTES}", source.len());
        }
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(bad_template("load"))?,
        );
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        python::install(&mut environment);
        limits::install(&mut environment);
        environment.add_template_owned("chat", rewrite::rewritten(source)?).map_err(bad_template("parse"))?;
        let (content, developer) = (Content::Both, source.contains("developer"));
        let mut template = ChatTemplate { environment, content, developer, source: source.into() };
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

    /// Jinja's source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the source has this name.
    fn reads(&self, name: &str) -> bool {
        self.source.contains(name)
    }

    /// Whether the probe comes out of the template as text (not quoted, as within a printed list).
    fn shows(&self, content: Json) -> bool {
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let form = Form { content: Content::Both, developer: true, filled: false, quoted: false };
        let text = self.render_as(&[json!({"role": "user", "content": content})], form, &options).unwrap_or_default();
        text.split_once(PROBE).is_some_and(|(before, _)| !before.ends_with(['"', '\'']))
    }

    /// The text of a chat. `messages`: a list of `{role, content, …}` as in OpenAI's API, or as Hugging Face takes it.
    ///
    /// Errors: `BadOption` for messages of another form, `BadTemplate` where the template fails
    /// or refuses them.
    pub fn render(&self, messages: &Json, options: &RenderOptions) -> Result<String> {
        let list = list_of(messages)?;
        let started = Instant::now();
        let as_given = Form { content: self.content, developer: self.developer, filled: false, quoted: false };
        let first = self.render_as(list, as_given, options);
        let calls = messages::has_arguments(list);
        match &first {
            // A template that reads text, of one role at least, prints an object as Python does.
            Ok(text) => {
                let quoted = messages::read_arguments(list).iter().any(|read| dump::printed(text, read));
                let joined = messages::parts(list).any(|part| dump::printed(text, part));
                if !quoted && !joined {
                    return first;
                }
                let content = if joined { Content::Text } else { self.content };
                return self.render_as(list, Form { content, quoted, ..as_given }, options).or(first);
            }
            Err(error) if error.code == Code::BadTemplate => {}
            Err(_) => return first,
        }
        // What the messages lack for this template, the least first.
        let filled = Form { filled: true, ..as_given };
        let forms = [filled, Form { quoted: true, ..as_given }, Form { quoted: true, ..filled }];
        for form in forms.into_iter().filter(|form| calls || !form.quoted) {
            if form.filled && messages::silent(list).is_some() {
                continue;
            }
            if late(started) {
                return first;
            }
            if let Ok(text) = self.render_as(list, form, options) {
                return Ok(text);
            }
        }
        if late(started) {
            return first;
        }
        if let Some(index) = messages::silent(list) {
            bail!(
                BadOption,
                "Message {index} has neither content nor tool calls, and the model's chat template needs one"
            );
        }
        first.map_err(|error| self.blamed(list, as_given, options, started).unwrap_or(error))
    }

    /// The refusal with the message at whose end the chat is first refused so: the one at fault, as a rule.
    fn blamed(&self, list: &[Json], form: Form, options: &RenderOptions, started: Instant) -> Option<Error> {
        let whole = self.render_as(list, form, options).err().filter(|error| error.code == Code::BadTemplate)?;
        for index in 0..list.len().min(MAX_BLAMED) {
            if late(started) {
                return None;
            }
            let error = self.render_as(&list[..=index], form, options).err();
            // The chat's end may be what is missing: before the first question many templates refuse.
            if error.is_some_and(|error| error == whole) {
                let role = list[index]["role"].as_str().unwrap_or_default();
                let blame = format!("does not render message {index} ({role})");
                return Some(Error::new(whole.code, whole.message.replacen("does not render", &blame, 1)));
            }
        }
        None
    }

    fn render_as(&self, list: &[Json], form: Form, options: &RenderOptions) -> Result<String> {
        let list = messages::prepared(list, form)?;
        let mut variables = Map::new();
        // Both are there for every template, as `none`.
        variables.insert("documents".into(), Json::Null);
        variables.insert("tools".into(), options.tools.clone().unwrap_or_default());
        variables.extend(options.extra.clone());
        variables.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        for (name, value) in &variables {
            messages::bounded(value, name)?;
        }
        let mut context: Vec<(&str, Value)> =
            variables.iter().map(|(name, json)| (name.as_str(), dict::value(json))).collect();
        context.push(("messages", Value::from_iter(list.iter().map(dict::object))));
        if let Some(now) = options.now {
            let strftime = Value::from_function(move |format: String| time::strftime(now, &format));
            context.push(("strftime_now", strftime));
        }
        let template = self.environment.get_template("chat").map_err(bad_template("load"))?;
        template.render(Value::from_pairs(context)).map_err(bad_template("render"))
    }
}

/// Whether a template has had its time, so that nothing more is tried with it.
fn late(started: Instant) -> bool {
    started.elapsed().as_millis() > 500
}

fn bad_template(step: &'static str) -> impl Fn(minijinja::Error) -> Error {
    move |error| {
        let line = error.line().map(|line| format!(" at line {line}")).unwrap_or_default();
        let detail = match error.kind() {
            ErrorKind::OutOfFuel => "it takes too many steps; give shorter messages, or another template".into(),
            kind => error.detail().map_or_else(|| kind.to_string(), str::to_string),
        };
        // A template says what it likes, at any length.
        let detail: String = detail.chars().take(MAX_WORDS).collect();
        Error::new(Code::BadTemplate, format!("The model's chat template does not {step}{line}: {detail}"))
    }
}
