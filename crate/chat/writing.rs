//! How a model writes a turn: what a request's messages become for its template, and how its replies are taken apart.

use serde_json::Value;

use super::forms::Form;
use super::parse::Parser;
use super::reasoning::ReasoningForm;
use super::request::ChatRequest;
use crate::base::error::Result;
use crate::run::engine::Engine;
use crate::text::template::RenderOptions;
use crate::text::tokenizer::Tokenizer;

/// The forms of one model, as far as one request needs them.
#[derive(Clone, Debug)]
pub struct Writing {
    options: RenderOptions,
    /// `None` where nothing is called, nor was.
    form: Option<Form>,
    reasoning: ReasoningForm,
    tools: Vec<Value>,
    /// Whether a reply may hold several calls.
    pub parallel: bool,
    /// The end of the rendered prompt: it may have opened a thought, or a call.
    pub prompt: String,
}

impl Writing {
    /// Of a request to a model. Errors: `NoTemplate`, and `BadTemplate` where the template does not parse.
    pub fn of(engine: &Engine, request: &ChatRequest) -> Result<Writing> {
        let options = request.template();
        let offered = options.tools.as_ref().and_then(Value::as_array);
        let tools = offered.cloned().unwrap_or_default();
        let template = engine.templates.choose(!tools.is_empty())?;
        let called = request.messages.as_array().into_iter().flatten();
        let called = called.into_iter().any(|message| message["role"] == "tool" || message["tool_calls"].is_array());
        Ok(Writing {
            form: (called || !tools.is_empty()).then(|| Form::of(&template, &options.extra)),
            reasoning: ReasoningForm::of(&template, &options.extra),
            parallel: request.parallel_tool_calls.unwrap_or(true),
            prompt: String::new(),
            options,
            tools,
        })
    }

    /// The tokens of these messages: those of the template, with what it lacks of tools told in words.
    pub fn tokens(&self, engine: &Engine, messages: &Value) -> Result<Vec<u32>> {
        match (&self.form, messages.as_array()) {
            (Some(form), Some(list)) => engine.encode_chat(&form.messages(list, &self.tools).into(), &self.options),
            _ => engine.encode_chat(messages, &self.options),
        }
    }

    /// Whether control tokens, which are no part of a reply's text otherwise, tell its parts apart.
    pub fn reads_special(&self, tokenizer: &Tokenizer) -> bool {
        let calls =
            self.form.iter().flat_map(|form| [form.open.as_str(), &form.before, form.short().unwrap_or_default()]);
        let thoughts = [self.reasoning.open.as_str(), &self.reasoning.close];
        let texts = calls.chain(thoughts).chain(self.reasoning.markup.iter().map(String::as_str));
        texts.map(str::trim_start).any(|text| tokenizer.starts_with_control(text))
    }

    /// Takes one reply apart.
    pub fn parser(&self) -> Parser {
        Parser::new(self.form.as_ref().unwrap_or(&Form::default()), &self.reasoning, &self.tools, &self.prompt)
    }
}
