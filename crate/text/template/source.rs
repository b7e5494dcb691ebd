//! The templates of a file, and what its tokens are called in them.

use serde_json::{Map, Value as Json};

use super::messages::list_of;
use super::{ChatTemplate, RenderOptions, rerank};
use crate::bail;
use crate::base::error::Result;
use crate::file::Metadata;
use crate::text::tokenizer::Tokenizer;

/// The sources of a file's templates: one for chats, and where the file has it one for chats with tools.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    /// For chats.
    pub chat: Option<String>,
    tool_use: Option<String>,
    /// For a query and a document, of a model that ranks by its next word: no Jinja, but with `{query}` and `{document}`.
    pub rerank: Option<String>,
}

impl Templates {
    /// Without any in a file without (a base model).
    pub fn from_metadata(metadata: &Metadata) -> Result<Templates> {
        let text = |key| metadata.str(key).map(|text| text.map(str::to_string));
        let tool_use = text("tokenizer.chat_template.tool_use")?;
        let chat = text("tokenizer.chat_template")?;
        let named = text("tokenizer.chat_template.default")?;
        let chat = chat.or(named).or_else(|| tool_use.clone());
        Ok(Templates { chat, tool_use, rerank: rerank::prompt(metadata)? })
    }

    /// Jinja's source of the template for chats with or without tools.
    pub fn source(&self, tools: bool) -> Option<&str> {
        self.tool_use.as_deref().filter(|_| tools).or(self.chat.as_deref())
    }

    /// The template for chats with or without tools. `NoTemplate` where there is none.
    pub fn choose(&self, tools: bool) -> Result<ChatTemplate> {
        match self.source(tools) {
            Some(source) => ChatTemplate::new(source),
            None => bail!(NoTemplate, "This model has no chat template; give a plain text prompt instead of messages."),
        }
    }
}

/// The text of a chat, by a file's templates and the tokens that its tokenizer names. Texts of control tokens inside
/// messages look as those of the template: tokens come from [`encode_chat`](super::encode_chat).
///
/// Errors: those of [`ChatTemplate::new`] and [`ChatTemplate::render`]; `NoTemplate` without a source.
pub fn render_chat(
    templates: &Templates,
    tokenizer: Option<&Tokenizer>,
    messages: &Json,
    options: &RenderOptions,
) -> Result<String> {
    list_of(messages)?;
    let template = templates.choose(options.tools.is_some())?;
    let mut options = options.clone();
    if let Some(tokenizer) = tokenizer {
        name_special_tokens(tokenizer, &template, &mut options.extra);
    }
    template.render(messages, &options)
}

/// The variables `bos_token`, `eos_token`, `unk_token`, …, where the caller gives no others. BOS and EOS are always there.
pub fn name_special_tokens(tokenizer: &Tokenizer, template: &ChatTemplate, variables: &mut Map<String, Json>) {
    for (name, id) in tokenizer.named_tokens() {
        let text = id.and_then(|id| tokenizer.token_text(id));
        if text.is_some() || matches!(name, "bos" | "eos") {
            variables.entry(format!("{name}_token")).or_insert_with(|| text.unwrap_or_default().into());
        }
    }
    // Files do not tell these from other control tokens, of which some have thousands.
    if template.reads(ADDITIONAL) {
        let named: Vec<u32> = tokenizer.named_tokens().filter_map(|(_, id)| id).collect();
        let others =
            tokenizer.control_texts().filter(|text| tokenizer.token_id(text).is_none_or(|id| !named.contains(&id)));
        variables.entry(ADDITIONAL).or_insert_with(|| others.collect());
    }
}

const ADDITIONAL: &str = "additional_special_tokens";
