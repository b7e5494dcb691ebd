//! Templates are asked how they write something by rendering unlikely strings.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::base::platform::Instant;
use crate::text::template::{ChatTemplate, RenderOptions};

// cspell:ignoreRegExp zq\w+
pub(super) const QUESTION: &str = "zqquestionqz";
pub(super) const CONTENT: &str = "zqcontentqz";

/// What all that is asked of a template for one request may take: a few milliseconds are usual.
const PATIENCE: Duration = Duration::from_millis(1500);

thread_local! {
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A template is asked anew.
pub(super) fn begin() {
    SPENT.set(Duration::ZERO);
}

/// Whether the template took too long to be asked more: what is known of it is not all.
pub(super) fn is_tired() -> bool {
    SPENT.get() > PATIENCE
}

pub(super) struct Probe<'a> {
    template: &'a ChatTemplate,
    options: RenderOptions,
}

impl<'a> Probe<'a> {
    /// `variables`: as for the reply itself; what most templates take for given is there in any case.
    pub fn new(template: &'a ChatTemplate, variables: &Map<String, Json>, tools: Option<Json>) -> Probe<'a> {
        let mut extra = variables.clone();
        for token in ["bos_token", "eos_token"] {
            extra.entry(token).or_insert_with(|| "".into());
        }
        Probe { template, options: RenderOptions { tools, now: Some(0), extra, ..RenderOptions::default() } }
    }

    pub fn messages(&self, messages: &Json, add_generation_prompt: bool) -> Option<String> {
        if is_tired() {
            return None;
        }
        let options = RenderOptions { add_generation_prompt, ..self.options.clone() };
        let begun = Instant::now();
        let text = self.template.render(messages, &options).ok();
        SPENT.set(SPENT.get() + begun.elapsed());
        text
    }

    /// What follows a question.
    pub fn reply(&self, reply: &Json) -> Option<String> {
        let question = json!({"role": "user", "content": QUESTION});
        Some(self.messages(&json!([question, reply]), false)?.rsplit_once(QUESTION)?.1.to_string())
    }

    /// What follows a question where the reply is to be written.
    pub fn prompt(&self) -> Option<String> {
        let question = json!({"role": "user", "content": QUESTION});
        Some(self.messages(&json!([question]), true)?.rsplit_once(QUESTION)?.1.to_string())
    }
}
