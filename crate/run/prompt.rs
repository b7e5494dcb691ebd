//! What a generation starts from, and the tokens that it becomes.

use crate::bail;
use crate::base::error::Result;
use crate::base::platform::unix_time;
use crate::run::engine::Engine;
use crate::text::template::{self, RenderOptions};
use crate::text::tokenizer::EncodeOptions;

/// What a generation starts from.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// A user's text: the chat template's one user message where the model has a template.
    Text(String),
    /// Text as it is: no template, special tokens parsed, BOS as the file says.
    Raw(String),
    /// OpenAI-shaped messages, for the chat template.
    Messages(serde_json::Value),
}

impl Engine {
    /// The prompt's token ids. `NoTemplate` for messages to a model without one; `PromptTooLong` past the context.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        let context = self.model.sizes.context as usize;
        let bytes = match prompt {
            Prompt::Raw(text) | Prompt::Text(text) => text.len(),
            Prompt::Messages(_) => 0,
        };
        self.tokenizer.check_bytes(bytes, context)?;
        let ids = match prompt {
            Prompt::Raw(text) => {
                self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?
            }
            Prompt::Text(text) if self.templates.chat.is_none() => {
                self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: false })?
            }
            Prompt::Text(text) => self.encode_messages(&serde_json::json!([{ "role": "user", "content": text }]))?,
            Prompt::Messages(messages) => self.encode_messages(messages)?,
        };
        self.check_length(&ids)?;
        Ok(ids)
    }

    /// The tokens of a chat. `NoTemplate` where the model has none; the template's own errors; `PromptTooLong` for a text that
    /// surely has more than `most`.
    pub fn encode_chat(
        &self,
        messages: &serde_json::Value,
        options: &RenderOptions,
        most: Option<usize>,
    ) -> Result<Vec<u32>> {
        let template = self.templates.choose(options.tools.is_some())?;
        template::encode_chat(&self.tokenizer, &template, messages, options, most)
    }

    /// `PromptTooLong` past the context, `BadOption` for no tokens at all.
    pub(crate) fn check_length(&self, ids: &[u32]) -> Result<()> {
        let context = self.model.sizes.context as usize;
        if ids.len() > context {
            bail!(
                PromptTooLong,
                "The prompt has {} tokens but the context holds {context}; shorten it or load the model with a larger contextLength.",
                ids.len()
            );
        }
        if ids.is_empty() {
            bail!(BadOption, "The prompt is empty; give at least one token of text.");
        }
        Ok(())
    }

    fn encode_messages(&self, messages: &serde_json::Value) -> Result<Vec<u32>> {
        let now = Some(unix_time());
        let options = RenderOptions { add_generation_prompt: true, now, ..Default::default() };
        self.encode_chat(messages, &options, Some(self.model.sizes.context as usize))
    }
}
