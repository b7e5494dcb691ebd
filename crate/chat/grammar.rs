//! What a reply must be like, and who makes a constraint of it. The engine brings no grammar of its own: the module that
//! has them is loaded where one is first asked for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::error::Result;
use crate::run::constraint::Constraint;

/// What the text must be. `sotto_grammar::Spec` is its other side: JSON is all that the two modules share, since a page
/// fetches them apart, and neither is to bring the other's libraries. A test holds them to the same JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Spec {
    /// JSON that fits a schema (draft 2020-12).
    JsonSchema {
        /// The schema.
        schema: Value,
        /// Keywords that are not enforced are left out; else they are refused.
        #[serde(default)]
        lenient: bool,
    },
    /// Any JSON object.
    JsonObject,
    /// What a regular expression matches as a whole.
    Regex {
        /// In the syntax of JavaScript, with the flag `u`.
        pattern: String,
    },
    /// What a grammar derives.
    Grammar {
        /// Its text.
        grammar: String,
        /// How it is written.
        syntax: Syntax,
    },
}

/// How a grammar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// As llguidance reads Lark's.
    Lark,
    /// llama.cpp's.
    Gbnf,
}

/// Makes constraints of one model's replies.
pub trait Grammars {
    /// Errors: `BadOption` with what of it cannot be kept, and where.
    fn compile(&self, spec: &Spec) -> Result<Box<dyn Constraint>>;

    /// Whether a text that none of them held to a schema is JSON that fits it.
    fn fits(&self, schema: &Value, text: &str) -> bool;
}
