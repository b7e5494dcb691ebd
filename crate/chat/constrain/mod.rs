//! What a reply to a chat must be like, as one constraint of the generation: a thought, which a limit may end; then text
//! that is free until a call begins, or a call, or what `response_format` asks for.

mod either;
mod fixed;
mod reply;
mod triggers;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::grammar::{Grammars, Spec, Syntax};
use super::writing::Writing;
use crate::bail;
use crate::base::error::Result;
use crate::run::constraint::Constraint;
use crate::text::tokenizer::{EncodeOptions, Tokenizer};
use either::{Either, Kind};
use fixed::Fixed;
use reply::Reply;
use triggers::Triggers;

/// Whether a reply calls a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Calling {
    /// As the model likes.
    #[default]
    Auto,
    /// It does: one of all, or the named one.
    Forced(Option<String>),
}

/// What of a request says what its replies must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Of the text, where it calls no tool.
    pub format: Option<Spec>,
    /// Of calls.
    pub calling: Calling,
    /// A tool that is `strict`: its calls are held to its schema, or refused.
    pub strict: Option<String>,
    /// The most tokens of a thought.
    pub thought_tokens: Option<u32>,
}

impl Wanted {
    /// `BadOption` for what only a grammar can keep, where there are none.
    pub fn check(&self, grammars: bool) -> Result<()> {
        match self.needs().or(self.strict.as_ref().map(|_| "A tool's strict")) {
            Some(what) if !grammars => bail!(
                BadOption,
                "{what} asks for what only a grammar can keep, and grammars are not loaded here; leave it out."
            ),
            _ => Ok(()),
        }
    }

    /// What it wants that only a grammar can keep, in the request's words.
    fn needs(&self) -> Option<&'static str> {
        match (&self.format, &self.calling) {
            (Some(_), _) => Some("response_format"),
            (None, Calling::Forced(_)) => Some("tool_choice"),
            _ => None,
        }
    }
}

/// Makes the constraint of each of a request's replies.
pub struct Plan {
    wanted: Wanted,
    writing: Writing,
    tokenizer: Arc<Tokenizer>,
    grammars: Option<Rc<dyn Grammars>>,
    /// The texts of calls, where they are constrained; and a thought's, as tokens.
    calls: Option<Triggers>,
    open: Vec<u32>,
    close: Vec<u32>,
    /// What the first reply begins with: made to see whether it can be.
    ready: RefCell<Option<Either>>,
}

impl Plan {
    /// `None` where replies are free. Errors: `BadOption` for what no grammar is there for, or what it cannot keep.
    pub fn new(
        wanted: Wanted,
        writing: &Writing,
        tokenizer: &Arc<Tokenizer>,
        grammars: Option<Rc<dyn Grammars>>,
    ) -> Result<Option<Rc<Plan>>> {
        wanted.check(grammars.is_some())?;
        let tokens = |text: &str| tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true });
        let calls = grammars.as_ref().and_then(|_| Triggers::of(writing));
        if calls.is_none() && wanted.thought_tokens.is_none() && wanted.needs().is_none() && wanted.strict.is_none() {
            return Ok(None);
        }
        let (open, close) = (tokens(&writing.reasoning().open)?, tokens(&writing.reasoning().close)?);
        let (writing, tokenizer) = (writing.clone(), tokenizer.clone());
        let plan = Plan { wanted, writing, tokenizer, grammars, calls, open, close, ready: RefCell::default() };
        // What cannot be kept is refused before anything is computed. Calls that the model need not make go unchecked
        // where they cannot be.
        if plan.is_strict() {
            let ready = plan.strict(plan.writing.opens_thought())?;
            plan.ready.replace(Some(ready));
        }
        if let (Some(name), Calling::Auto) = (&plan.wanted.strict, &plan.wanted.calling) {
            if plan.calls.is_none() {
                bail!(
                    BadOption,
                    "The tool \"{name}\" is strict, and nothing tells where this model's calls begin; take strict out, or set tool_choice to \"required\"."
                );
            }
            plan.call("", None, false)?;
        }
        Ok(Some(Rc::new(plan)))
    }

    /// The constraint of one reply.
    pub fn reply(self: &Rc<Plan>) -> Box<dyn Constraint> {
        Box::new(Reply::new(self.clone()))
    }

    /// Nothing but what a grammar allows may be said.
    fn is_strict(&self) -> bool {
        self.wanted.needs().is_some()
    }

    /// Text after a thought, or from the start: then it may be a thought, if the model is known to think.
    fn strict(&self, after_thought: bool) -> Result<Either> {
        if let Some(ready) = self.ready.take() {
            return Ok(ready);
        }
        let mut ways = Vec::new();
        let forced = match &self.wanted.calling {
            Calling::Forced(name) => Some(name.as_deref()),
            Calling::Auto => None,
        };
        if let (Some(spec), None) = (&self.wanted.format, forced) {
            let lead = self.writing.reasoning().lead(after_thought, &self.writing.prompt);
            ways.push((Kind::Content, Fixed::before(self.tokens_of(&lead)?, self.compile(spec)?)));
        }
        if forced.is_some() || self.calls.is_some() {
            let compiled = self.call("", forced.flatten(), forced.is_some());
            match compiled {
                Ok(calls) => ways.push((Kind::Call, calls)),
                Err(error) if forced.is_some() => return Err(error),
                Err(_) => {}
            }
        }
        if !after_thought && self.writing.may_think() && !self.open.is_empty() {
            ways.push((Kind::Thought, Box::new(Fixed::new(self.open.clone()))));
        }
        Ok(Either::new(ways))
    }

    fn tokens_of(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true })
    }

    /// Calls, behind the text `before` them; `forced`, or such as the model has chosen to make.
    fn call(&self, before: &str, name: Option<&str>, forced: bool) -> Result<Box<dyn Constraint>> {
        let grammar = self.writing.grammar(before, name, forced, &|text| self.tokenizer.control_at(text))?;
        self.compile(&Spec::Grammar { grammar, syntax: Syntax::Lark })
    }

    fn compile(&self, spec: &Spec) -> Result<Box<dyn Constraint>> {
        match &self.grammars {
            Some(grammars) => grammars.compile(spec),
            None => bail!(Internal, "A grammar was wanted where none can be made."),
        }
    }
}

/// What a `response_format` has, by its type.
const MEMBERS: [(&str, &[&str]); 5] = [
    ("text", &["type"]),
    ("json_object", &["type"]),
    ("json_schema", &["type", "json_schema"]),
    ("regex", &["type", "pattern"]),
    ("grammar", &["type", "grammar", "syntax"]),
];

/// `BadOption` for a member that would be ignored.
fn only(value: &Value, path: &str, known: &[&str]) -> Result<()> {
    let members = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    match members.map(|(name, _)| name.as_str()).find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) if path == "response_format" && name == "schema" => bail!(
            BadOption,
            "response_format.schema is not known; give {{type: \"json_schema\", json_schema: {{name, schema}}}}."
        ),
        Some(name) => bail!(BadOption, "{path}.{name} is not known there; take it out, or correct its name."),
    }
}

/// Of `response_format`. `None` for text; `BadOption` for what it cannot be.
pub fn format_of(format: &Value) -> Result<Option<Spec>> {
    let text = |key: &str| match format[key].as_str() {
        Some(text) => Ok(text.to_string()),
        None => bail!(BadOption, "response_format.{key} should be a text."),
    };
    let kind = format["type"].as_str().unwrap_or_default();
    if let Some((_, members)) = MEMBERS.iter().find(|(name, _)| *name == kind) {
        only(format, "response_format", members)?;
    }
    Ok(Some(match kind {
        "text" => return Ok(None),
        "json_object" => Spec::JsonObject,
        "json_schema" => {
            let described = &format["json_schema"];
            only(described, "response_format.json_schema", &["name", "description", "schema", "strict"])?;
            if !matches!(described["strict"], Value::Null | Value::Bool(_)) {
                bail!(BadOption, "response_format.json_schema.strict is {}; give true or false.", described["strict"]);
            }
            match described.get("schema") {
                Some(schema) if schema.is_object() || schema.is_boolean() => {
                    Spec::JsonSchema { schema: schema.clone(), lenient: described["strict"] == false }
                }
                _ => bail!(BadOption, "response_format.json_schema.schema should be a JSON schema."),
            }
        }
        "regex" => Spec::Regex { pattern: text("pattern")? },
        "grammar" => {
            let syntax = match format["syntax"].as_str() {
                None if format["syntax"].is_null() => Syntax::Lark,
                Some("lark") => Syntax::Lark,
                Some("gbnf") => Syntax::Gbnf,
                _ => bail!(BadOption, "response_format.syntax is {}; give \"lark\" or \"gbnf\".", format["syntax"]),
            };
            Spec::Grammar { grammar: text("grammar")?, syntax }
        }
        _ => bail!(
            BadOption,
            "response_format.type is {}; give \"text\", \"json_schema\", \"json_object\", \"regex\" or \"grammar\".",
            format["type"]
        ),
    }))
}
