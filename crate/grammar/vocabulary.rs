//! The tokens of one model, and grammars over them.

use std::sync::Arc;
use std::time::Duration;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;

#[cfg(target_arch = "wasm32")]
use instant::Instant;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

use crate::digits::Digits;
use crate::machine::{self, Numbers};
use crate::{Machine, Refused, Result, Spec, Syntax, derives, lark, limits, refuse, spec, watch};

/// The ids of a text that goes on after others: no mark of a beginning, no control tokens.
pub type Tokenize = Box<dyn Fn(&str) -> Vec<u32> + Send + Sync>;

/// Longer tokens are never allowed: the tree of them is not deep enough.
const MAX_TOKEN_BYTES: usize = 1000;
/// Ids must fit into what a node of the tree has for them.
const MAX_TOKENS: usize = 1 << 22;

/// What tokens stand for, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The bytes of all, one after the other. Without bytes a token is never allowed.
    pub bytes: Vec<u8>,
    /// Where the bytes of each end: [n_vocab].
    pub ends: Vec<u32>,
    /// Those that are no text, such as `<|im_end|>`; their bytes are their names. Ascending.
    pub special: Vec<u32>,
    /// Those that end a reply.
    pub eog: Vec<u32>,
}

/// A model's tokens, made ready for masks: once a model, some 50 ms for 50,000 tokens.
pub struct Vocabulary {
    factory: Arc<ParserFactory>,
    env: TokEnv,
    n_vocab: usize,
    /// Tokens that begin with a digit, a bit each.
    digits: Arc<[u32]>,
}

struct Env {
    trie: TokTrie,
    tokenize: Tokenize,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let ids = |text: &str| {
            let ids = (self.tokenize)(text);
            // A tokenizer may write a text otherwise than it reads it: what is forced is what the grammar says.
            if self.trie.decode_raw(&ids) == text.as_bytes() { ids } else { self.trie.greedy_tokenize(text.as_bytes()) }
        };
        self.trie.tokenize_with_greedy_fallback(bytes, ids)
    }
}

impl Vocabulary {
    /// Refused: lists that contradict each other.
    pub fn new(tokens: &Tokens, tokenize: Tokenize) -> Result<Vocabulary> {
        let n_vocab = tokens.ends.len();
        if n_vocab == 0 || n_vocab > MAX_TOKENS {
            refuse!("Grammars need a vocabulary of 1 to {MAX_TOKENS} tokens; this model has {n_vocab}.");
        }
        let words = words(tokens)?;
        let mut digits = vec![0; n_vocab.div_ceil(32)];
        for (id, _) in words.iter().enumerate().filter(|(_, word)| word.first().is_some_and(u8::is_ascii_digit)) {
            digits[id / 32] |= 1 << (id % 32);
        }
        let eog: Vec<u32> = tokens.eog.iter().copied().filter(|id| (*id as usize) < n_vocab).collect();
        let mut trie =
            TokTrie::from(&TokRxInfo::new(n_vocab as u32, eog.first().copied().unwrap_or(INVALID_TOKEN)), &words);
        if !eog.is_empty() {
            trie = trie.with_eos_tokens(&eog);
        }
        let env: TokEnv = Arc::new(Env { trie, tokenize });
        let caps = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
        let mut factory = ParserFactory::new(&env, caps, &llguidance::earley::SlicedBiasComputer::json_slices())
            .map_err(|e| Refused(format!("The vocabulary cannot be used with grammars ({e}).")))?;
        factory.quiet();
        *factory.limits_mut() = limits::parser();
        Ok(Vocabulary { factory: Arc::new(factory), env, n_vocab, digits: digits.into() })
    }

    /// Refused: what is not understood, not enforced, or too large; the sentence says where.
    pub fn compile(&self, spec: &Spec) -> Result<Machine> {
        let grammar = spec.top_level()?;
        let started = Instant::now();
        let left = || (limits::COMPILE + limits::SEARCH).saturating_sub(started.elapsed()).min(limits::COMPILE);
        // Of a part that is tried by itself: what is not known in time is no fault that was found.
        let fault = |grammar| match self.parser(left(), grammar) {
            Err(error) if error != watch::TOO_LONG => Err(error),
            _ => Ok(()),
        };
        let parser = self.parser(left(), grammar).map_err(|e| match spec {
            Spec::JsonSchema { schema, lenient } => {
                crate::schema::why(schema, "", *lenient, &e, |schema| fault(spec::json(schema, *lenient)))
            }
            Spec::Grammar { grammar, syntax: Syntax::Lark } => lark::why(grammar, &e, fault),
            _ => Refused(format!("The {} cannot be kept: {}.", spec.noun(), machine::first_lines(&e))),
        })?;
        if let Spec::Grammar { grammar, syntax: Syntax::Lark } = spec {
            lark::check_texts(grammar, fault)?;
        }
        let numbers = || Numbers { tokens: self.env.clone(), digits: self.digits.clone(), read: Digits::default() };
        Ok(Machine::new(parser, self.n_vocab, spec.is_json().then(numbers)))
    }

    /// Whether the text is JSON that fits the schema, though no grammar held it to that. It is as the grammar would have it
    /// but for how it is written: formats are those of the table. What takes too long does not fit.
    pub fn fits(schema: &str, text: &str) -> bool {
        let parsed = |text: &str| serde_json::from_str(text).ok();
        let (Some(schema), Some(value)) = (parsed(schema), parsed(text)) else { return false };
        watch::compile(limits::COMPILE, move || Ok(crate::schema::fits(&schema, &value))).unwrap_or(false)
    }

    fn parser(&self, most: Duration, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let factory = self.factory.clone();
        watch::compile(most, move || {
            let mut parser = factory.create_parser(grammar).map_err(|e| e.to_string())?;
            if let Some(rule) = derives::endless(parser.parser.grammar()) {
                return Err(format!("what \"{rule}\" asks for {}", derives::ENDLESS));
            }
            parser.enable_cancellation();
            let mut matcher = Matcher::new(Ok(parser));
            // The first mask tells whether there is anything to begin with.
            let first = watch::step(matcher.cancellation_handle(), || matcher.compute_mask());
            first.map(|_| matcher).map_err(|e| e.to_string())
        })
    }
}

/// Each token's bytes as the tree wants them: what is no text begins with a byte that is in no text.
fn words(tokens: &Tokens) -> Result<Vec<Vec<u8>>> {
    let mut start = 0;
    let mut words = Vec::with_capacity(tokens.ends.len());
    for &end in &tokens.ends {
        let Some(bytes) = tokens.bytes.get(start..end as usize) else {
            refuse!("The bytes of token {} are missing.", words.len());
        };
        start = end as usize;
        let usable = bytes.len() <= MAX_TOKEN_BYTES && bytes.first() != Some(&TokTrie::SPECIAL_TOKEN_MARKER);
        words.push(if usable { bytes.to_vec() } else { Vec::new() });
    }
    for &id in &tokens.special {
        if let Some(word) = words.get_mut(id as usize).filter(|word| !word.is_empty()) {
            word.insert(0, TokTrie::SPECIAL_TOKEN_MARKER);
        }
    }
    Ok(words)
}
