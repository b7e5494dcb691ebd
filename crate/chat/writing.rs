//! How a model writes a turn: what a request's messages become for its template, and how its replies are taken apart.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use super::forms::Form;
use super::forms::grammar::{Control, Grammar};
use super::known::Known;
use super::parse::{Checks, Held, Parser};
use super::reasoning::ReasoningForm;
use super::request::ChatRequest;
use crate::bail;
use crate::base::error::Result;
use crate::run::engine::Engine;
use crate::text::template::RenderOptions;
use crate::text::tokenizer::Tokenizer;

/// Calls that a request can force in one reply: small models do not end them by themselves.
const MOST_FORCED: u32 = 8;

/// The forms of one model, as far as one request needs them.
#[derive(Clone, Debug)]
pub struct Writing {
    options: RenderOptions,
    known: Rc<Known>,
    tools: Vec<Value>,
    /// Whether a reply may hold several calls.
    pub parallel: bool,
    /// What a grammar holds the reply under way to.
    pub held_to: Rc<Cell<Held>>,
    /// How calls that no grammar holds are checked.
    pub checks: Checks,
    /// The end of the rendered prompt: it may have opened a thought, or a call.
    pub prompt: String,
}

impl Writing {
    /// Of a request to a model. Errors: `BadOption` where it writes nothing; `NoTemplate`, and `BadTemplate` where the template does not parse.
    pub fn of(engine: &Engine, request: &ChatRequest) -> Result<Writing> {
        engine.check_writes()?;
        let options = request.template();
        let offered = options.tools.as_ref().and_then(Value::as_array);
        let tools = offered.cloned().unwrap_or_default();
        let template = engine.templates.choose(!tools.is_empty())?;
        let called = request.messages.as_array().into_iter().flatten();
        let called = called.into_iter().any(|message| message["role"] == "tool" || message["tool_calls"].is_array());
        Ok(Writing {
            known: Known::of(&template, &options.extra, called || !tools.is_empty())?,
            parallel: request.parallel_tool_calls.unwrap_or(true),
            held_to: Rc::default(),
            checks: Checks::default(),
            prompt: String::new(),
            options,
            tools,
        })
    }

    /// How calls are written; `None` where nothing is called, nor was.
    pub fn form(&self) -> Option<&Form> {
        self.known.form.as_ref()
    }

    /// How thoughts are written.
    pub fn reasoning(&self) -> &ReasoningForm {
        &self.known.reasoning
    }

    /// Whether something may be called.
    pub fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    /// Whether the prompt has opened a thought.
    pub fn opens_thought(&self) -> bool {
        self.reasoning().opened_by(&self.prompt)
    }

    /// Whether the reply may open one: the template knows of thoughts, and the prompt has not ended one already.
    pub fn may_think(&self) -> bool {
        self.known.thinks && !self.prompt.trim_end().ends_with(self.reasoning().close.trim())
    }

    /// The grammar of calls, of one tool, which is called once, or of all, behind a text. `forced`: the model has not chosen
    /// to call. Errors: those of [`Grammar::text`].
    pub fn grammar(&self, before: &str, name: Option<&str>, forced: bool, control: Control<'_>) -> Result<String> {
        let Some(form) = self.form() else { bail!(Internal, "Calls were to be constrained where there are none.") };
        let one = name.is_some() || !form.several || !self.parallel;
        let most = if one { Some(1) } else { forced.then_some(MOST_FORCED) };
        Grammar { form, tools: &self.tools, name, most, before }.text(control)
    }

    /// The tokens of these messages: those of the template, with what it lacks of tools told in words. Errors: those of
    /// [`Engine::encode_chat`].
    pub fn tokens(&self, engine: &Engine, messages: &Value, most: Option<usize>) -> Result<Vec<u32>> {
        match (self.form(), messages.as_array()) {
            (Some(form), Some(list)) => {
                engine.encode_chat(&form.messages(list, &self.tools).into(), &self.options, most)
            }
            _ => engine.encode_chat(messages, &self.options, most),
        }
    }

    /// Whether control tokens, which are no part of a reply's text otherwise, tell its parts apart.
    pub fn reads_special(&self, tokenizer: &Tokenizer) -> bool {
        let calls = self
            .form()
            .into_iter()
            .flat_map(|form| [form.open.as_str(), &form.before, form.short().unwrap_or_default()]);
        let reasoning = self.reasoning();
        let thoughts = [reasoning.open.as_str(), &reasoning.close];
        let texts = calls.chain(thoughts).chain(reasoning.markup.iter().map(String::as_str));
        texts.map(str::trim_start).any(|text| tokenizer.starts_with_control(text))
    }

    /// Takes one reply apart.
    pub fn parser(&self) -> Parser {
        Parser::new(self.form().unwrap_or(&Form::default()), self.reasoning(), &self.tools, &self.prompt)
            .held_to(self.held_to.clone())
            .checked(self.checks.clone())
    }
}
