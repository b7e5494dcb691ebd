//! The seam between a reply's text and what it says: each reply's text passes through a [`Parser`], as it comes.

use serde_json::{Map, Value};

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Said to the user.
    Content(String),
    /// Thought before.
    Reasoning(String),
    /// A call of a tool, or more of it.
    Call {
        /// Which of the reply's calls.
        index: usize,
        /// In a call's first piece.
        id: Option<String>,
        /// In a call's first piece.
        name: Option<String>,
        /// A piece of the text of a JSON object.
        arguments: String,
    },
}

/// What tells how a reply is written.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    /// The source of the model's chat template.
    pub template: Option<String>,
    /// The template's variables.
    pub variables: Map<String, Value>,
    /// What the reply may call, in OpenAI's form.
    pub tools: Vec<Value>,
    /// Whether it may hold several calls.
    pub parallel: bool,
    /// The end of the rendered prompt: it may have opened a thought, or a call.
    pub prompt: String,
}

/// Tells content, reasoning and calls apart. For now all is content.
#[derive(Clone, Debug, Default)]
pub struct Parser {}

impl Parser {
    /// Whether it reads control tokens, which are no part of a reply's text otherwise.
    pub const READS_SPECIAL: bool = false;

    /// Of one reply.
    pub fn new(_writing: &Writing) -> Parser {
        Parser {}
    }

    /// What is certain with this text.
    pub fn push(&mut self, text: &str) -> Vec<Delta> {
        if text.is_empty() { Vec::new() } else { vec![Delta::Content(text.into())] }
    }

    /// What was held back, once no more text comes.
    pub fn finish(&mut self) -> Vec<Delta> {
        Vec::new()
    }
}
