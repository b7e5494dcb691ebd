//! Grammars by llguidance, without the module of its own that has them in the browser.

use std::cell::RefCell;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use sotto::base::error::{Code, Error, Result};
use sotto::chat::grammar::{Grammars, Spec};
use sotto::run::constraint::{Commit, Constraint, Next};
use sotto::text::tokenizer::Tokenizer;

/// Remembers what was asked for.
#[derive(Default)]
pub struct Native {
    pub specs: RefCell<Vec<Spec>>,
}

struct Env(TokTrie);

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.0
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        self.0.greedy_tokenize(text)
    }
}

/// As bytes are tokens by themselves.
pub fn of_bytes(spec: &Spec) -> Result<Matcher> {
    let words: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).chain([b"\xff<end>".to_vec()]).collect();
    matcher(TokTrie::from(&TokRxInfo::new(words.len() as u32, 256), &words), spec)
}

fn matcher(trie: TokTrie, spec: &Spec) -> Result<Matcher> {
    let grammar = match spec {
        Spec::JsonSchema { schema, .. } => TopLevelGrammar::from_json_schema(schema.clone()),
        Spec::JsonObject => TopLevelGrammar::from_json_schema(serde_json::json!({ "type": "object" })),
        Spec::Regex { pattern } => TopLevelGrammar::from_regex(pattern),
        Spec::Grammar { grammar, .. } => TopLevelGrammar::from_lark(grammar.clone()),
    };
    let env: llguidance::toktrie::TokEnv = Arc::new(Env(trie));
    let failed = |e: String| Error::new(Code::BadOption, format!("{spec:?} is no grammar ({e})."));
    let factory = ParserFactory::new_simple(&env).map_err(|e| failed(e.to_string()))?;
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        Some(error) => Err(failed(error)),
        None => Ok(matcher),
    }
}

impl Grammars for Native {
    fn compile(&self, tokenizer: &Tokenizer, spec: &Spec) -> Result<Box<dyn Constraint>> {
        self.specs.borrow_mut().push(spec.clone());
        let word = |id| {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            if tokenizer.is_special(id) { [b"\xff", &bytes[..]].concat() } else { bytes }
        };
        let words: Vec<Vec<u8>> = (0..tokenizer.n_vocab() as u32).map(word).collect();
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, tokenizer.eog_ids()[0]), &words);
        Ok(Box::new(Matched(matcher(trie.with_eos_tokens(tokenizer.eog_ids()), spec)?)))
    }
}

struct Matched(Matcher);

impl Matched {
    fn now(&mut self) -> Commit {
        if self.0.is_stopped() {
            return Commit { forced: Vec::new(), next: Next::End };
        }
        Commit { forced: self.0.compute_ff_tokens(), next: Next::Masked }
    }
}

fn failed(error: impl ToString) -> Error {
    Error::new(Code::Internal, error.to_string())
}

impl Constraint for Matched {
    fn start(&mut self) -> Result<Commit> {
        Ok(self.now())
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        self.0.consume_token(token).map_err(failed)?;
        Ok(self.now())
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        Ok(self.0.compute_mask_or_eos().map_err(failed)?.as_slice().to_vec())
    }
}
