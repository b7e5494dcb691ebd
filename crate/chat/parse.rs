//! The seam between a reply's text and what it says: every reply's text passes through a [`Parser`], as it comes.

use serde_json::Value;

/// What a piece of text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Said to the user.
    Content(String),
    /// Thought before.
    Reasoning(String),
    /// More of a tool's call.
    Call(CallDelta),
}

/// A call's beginning has its id and name; its arguments, a text of JSON, follow in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallDelta {
    /// Which of the reply's calls.
    pub index: u32,
    pub id: Option<String>,
    pub name: Option<String>,
    pub arguments: String,
}

/// What tells how a reply is written.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// The model's chat template.
    pub template: Option<&'a str>,
    /// What the reply may call, in OpenAI's form.
    pub tools: Option<&'a Value>,
    /// Whether it may hold several calls.
    pub parallel: bool,
}

/// Tells content, reasoning and calls apart. For now all is content, as it is in a completion for good.
#[derive(Clone, Debug, Default)]
pub struct Parser {}

impl Parser {
    /// Of a chat's reply.
    pub fn of_reply(_writing: Writing<'_>) -> Parser {
        Parser {}
    }

    /// Of a completion, which is what it is.
    pub fn plain() -> Parser {
        Parser {}
    }

    #[allow(clippy::unused_self, reason = "a parser of calls and reasoning remembers where it is")]
    pub fn push(&mut self, text: &str) -> Vec<Delta> {
        if text.is_empty() { Vec::new() } else { vec![Delta::Content(text.into())] }
    }

    /// What was held back, once no more text comes.
    #[allow(clippy::unused_self, reason = "a parser of calls and reasoning holds text back")]
    pub fn finish(&mut self) -> Vec<Delta> {
        Vec::new()
    }
}
