//! What is asked for, as it goes over from the engine: JSON.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Refused, Result, gbnf_lark, lark, limits, refuse, schema};

/// What a text must be; `sotto::chat::grammar::Spec` is its other side, and says why there are two.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Spec {
    /// JSON of a schema.
    JsonSchema {
        /// The schema.
        schema: Value,
        /// What is not enforced is left out instead of refused.
        #[serde(default)]
        lenient: bool,
    },
    /// Any JSON object.
    JsonObject,
    /// What an expression matches as a whole.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// As llguidance reads Lark's.
    Lark,
    /// llama.cpp's.
    Gbnf,
}

impl Spec {
    /// From the JSON of it. Refused: what is none, or is nested too deeply.
    pub fn parse(json: &str) -> Result<Spec> {
        serde_json::from_str(json).map_err(|e| Refused(format!("The grammar is not understood ({e}).")))
    }

    /// A grammar of Lark's as llguidance reads it, its schemas in normal form. Refused: what is not enforced.
    pub fn lark(grammar: &str) -> Result<String> {
        check_size(grammar)?;
        lark::checked(grammar)
    }

    pub(crate) fn top_level(&self) -> Result<TopLevelGrammar> {
        Ok(match self {
            Spec::JsonSchema { schema, lenient } => {
                json(schema::normal(schema, *lenient, schema::BY_REQUEST)?, *lenient)
            }
            Spec::JsonObject => json(json!({"type": "object"}), false),
            Spec::Regex { pattern } => {
                check_size(pattern)?;
                let whole = schema::whole_pattern(pattern)
                    .map_err(|why| Refused(format!("The regular expression cannot be kept: it {why}.")))?;
                TopLevelGrammar::from_regex(&whole)
            }
            Spec::Grammar { grammar, syntax } => {
                check_size(grammar)?;
                TopLevelGrammar::from_lark(match syntax {
                    Syntax::Lark => Spec::lark(grammar)?,
                    Syntax::Gbnf => gbnf_lark::lark_of(grammar)?,
                })
            }
        })
    }

    /// Whether texts are JSON and nothing else.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Spec::JsonSchema { .. } | Spec::JsonObject)
    }

    /// What it is, and what can be done where it is too much.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Spec::JsonSchema { .. } | Spec::JsonObject => "schema",
            Spec::Regex { .. } => "regular expression",
            Spec::Grammar { .. } => "grammar",
        }
    }
}

/// Of a schema in normal form.
pub(crate) fn json(mut schema: Value, lenient: bool) -> TopLevelGrammar {
    schema::set_style(&mut schema, None, lenient);
    TopLevelGrammar::from_grammar(GrammarWithLexer::from_json_schema(schema))
}

fn check_size(text: &str) -> Result<()> {
    let most = if lark::is_owned(text) { limits::TOOLS_BYTES } else { limits::TEXT_BYTES };
    if text.len() > most {
        refuse!("The grammar has {} bytes; at most {most} are taken.", text.len());
    }
    Ok(())
}
