//! Grammars where the module that has them is part of the program: in commands and tests. A page loads it apart, and reaches
//! it through JavaScript (`crate/web/grammar.rs`).

use std::sync::Arc;

use serde_json::Value;
use sotto_grammar::{Machine, Refused, Step, Tokens, Vocabulary};

use super::grammar::{Grammars, Spec};
use super::words::Words;
use crate::base::error::{Code, Error, Result};
use crate::run::constraint::{Commit, Constraint, Next};
use crate::text::tokenizer::Tokenizer;

/// Grammars over one model's tokens.
pub struct Linked(Vocabulary);

impl Linked {
    /// Takes some 50 ms for 50,000 tokens. Errors: `BadOption` for a model without a vocabulary.
    pub fn new(tokenizer: &Arc<Tokenizer>) -> Result<Linked> {
        let Words { bytes, ends, special, eog } = Words::of(tokenizer);
        let tokenizer = tokenizer.clone();
        let tokenize = move |text: &str| tokenizer.encode_more(text).unwrap_or_default();
        let tokens = Tokens { bytes, ends, special, eog };
        Vocabulary::new(&tokens, Box::new(tokenize)).map(Linked).map_err(typed)
    }
}

impl Grammars for Linked {
    fn compile(&self, spec: &Spec) -> Result<Box<dyn Constraint>> {
        // Both sides know it as JSON alone; its reader bounds how deep it is.
        let json = serde_json::to_string(spec)
            .map_err(|e| Error::new(Code::BadOption, format!("The grammar cannot be passed on ({e}).")))?;
        let spec = sotto_grammar::Spec::parse(&json).map_err(typed)?;
        Ok(Box::new(Held(self.0.compile(&spec).map_err(typed)?)))
    }

    fn fits(&self, schema: &Value, text: &str) -> bool {
        Vocabulary::fits(&schema.to_string(), text)
    }
}

struct Held(Machine);

impl Constraint for Held {
    fn start(&mut self) -> Result<Commit> {
        self.0.start().map(commit).map_err(typed)
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        self.0.commit(token).map(commit).map_err(typed)
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        self.0.mask().map_err(typed)
    }
}

fn commit(Step { forced, ended }: Step) -> Commit {
    Commit { forced, next: if ended { Next::End } else { Next::Masked } }
}

fn typed(Refused(why): Refused) -> Error {
    Error::new(Code::BadOption, why)
}
