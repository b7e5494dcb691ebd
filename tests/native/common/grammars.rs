//! Grammars of calls over single bytes, as llguidance reads them by itself.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use sotto::base::error::{Code, Error, Result};
use sotto::chat::grammar::Spec;

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
        Spec::Grammar { grammar, .. } => {
            let grammar = sotto_grammar::Spec::lark(grammar).map_err(|e| Error::new(Code::BadOption, e.0))?;
            TopLevelGrammar::from_lark(grammar)
        }
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
