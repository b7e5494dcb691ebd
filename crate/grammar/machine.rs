//! One reply under a grammar.

use std::sync::Arc;
use std::time::Duration;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;

#[cfg(target_arch = "wasm32")]
use instant::Instant;
use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::TokEnv;

use crate::digits::Digits;
use crate::{Refused, Result, limits, watch};

/// How a reply goes on after a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// These come next, whatever the model would say.
    pub forced: Vec<u32>,
    /// Nothing comes next: the reply is whole.
    pub ended: bool,
}

/// Follows a reply token by token.
pub struct Machine {
    matcher: Matcher,
    n_vocab: usize,
    /// Of JSON: how long its numbers are.
    digits: Option<Numbers>,
    /// How long its steps have taken so far, and how many tokens came.
    spent: Duration,
    tokens: u32,
    /// Forced tokens that it was not told of yet.
    announced: usize,
}

/// What a machine knows of tokens, so that numbers end.
pub(crate) struct Numbers {
    pub tokens: TokEnv,
    /// Those that begin with a digit, a bit each.
    pub digits: Arc<[u32]>,
    pub read: Digits,
}

impl Machine {
    pub(crate) fn new(matcher: Matcher, n_vocab: usize, digits: Option<Numbers>) -> Machine {
        Machine { matcher, n_vocab, digits, spent: Duration::ZERO, tokens: 0, announced: 0 }
    }

    /// Before the first token.
    pub fn start(&mut self) -> Result<Step> {
        self.step()
    }

    /// A token was taken; it is told of forced ones too. Refused: a token that may not come here, or a grammar that
    /// takes too much.
    pub fn commit(&mut self, token: u32) -> Result<Step> {
        self.timed(|matcher| matcher.consume_token(token).map_err(|e| unkept(&e.to_string())))?;
        self.tokens += 1;
        if let Some(Numbers { tokens, read, .. }) = &mut self.digits {
            read.read(tokens.tok_trie().token(token));
        }
        self.announced = self.announced.saturating_sub(1);
        if self.announced > 0 && !self.matcher.is_stopped() { Ok(Step::default()) } else { self.step() }
    }

    /// Which tokens may come next: bit `id % 32` of word `id / 32`, [n_vocab / 32, rounded up].
    pub fn mask(&mut self) -> Result<Vec<u32>> {
        let mask = self.timed(|matcher| matcher.compute_mask_or_eos().map_err(|e| unkept(&e.to_string())))?;
        let mut words = mask.as_slice().to_vec();
        words.resize(self.n_vocab.div_ceil(32), 0);
        // The set has room for one id more than there are.
        if let Some(last) = words.last_mut().filter(|_| !self.n_vocab.is_multiple_of(32)) {
            *last &= (1 << (self.n_vocab % 32)) - 1;
        }
        if let Some(Numbers { digits, .. }) = self.digits.as_ref().filter(|numbers| numbers.read.are_many()) {
            let others: Vec<u32> = words.iter().zip(digits.iter()).map(|(word, digits)| word & !digits).collect();
            // What the schema asks for may be longer.
            if others.iter().any(|word| *word != 0) {
                return Ok(others);
            }
        }
        Ok(words)
    }

    /// Refused: a grammar by which a step or a reply would take ever longer.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Matcher) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let matcher = &mut self.matcher;
        let done = watch::step(matcher.cancellation_handle(), || work(matcher));
        self.spent += started.elapsed();
        let is_slow = self.spent > limits::PATIENCE && self.spent > limits::FAST * self.tokens;
        if is_slow || self.matcher.is_cancelled() { Err(unkept(CANCELLED)) } else { done }
    }

    fn step(&mut self) -> Result<Step> {
        if self.matcher.is_stopped() {
            return match self.matcher.stop_reason() {
                StopReason::EndOfSentence | StopReason::NoExtension => Ok(Step { ended: true, ..Step::default() }),
                reason => Err(unkept(&self.matcher.get_error().unwrap_or(reason.to_string()))),
            };
        }
        let forced = self.timed(|matcher| Ok(matcher.compute_ff_tokens()))?;
        if let Some(error) = self.matcher.get_error() {
            return Err(unkept(&error));
        }
        self.announced = forced.len();
        Ok(Step { forced, ended: false })
    }
}

fn unkept(error: &str) -> Refused {
    Refused(format!("The reply cannot be kept to its grammar any longer: {}.", first_lines(error)))
}

/// llguidance's word for work that was called off.
const CANCELLED: &str = "operation cancelled";

/// Its words for what goes on in a way of which there are plain ones, too.
const WORDS: [(&str, &str); 7] = [
    ("NoExtensionBias", "no text of this vocabulary goes on from here"),
    (CANCELLED, "it is too ambiguous or too large to be followed"),
    ("Current row has", "it has too many ways to go on at one place"),
    ("oo many items", "it has too many ways to go on at one place"),
    ("fuel exhausted", "it has too large an expression"),
    ("grammar.symbols.len()", "written out it is too large"),
    ("too many expressions constructed", "it has too large an expression"),
];

/// An error without the state that follows it, on one line, without its full stop.
pub(crate) fn first_lines(error: &str) -> String {
    let head = error.split("\n<").next().unwrap_or(error).split("<backtrace>").next().unwrap_or(error);
    if let Some((_, said)) = WORDS.iter().find(|(words, _)| head.contains(words)) {
        return (*said).into();
    }
    let words: Vec<&str> = head.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(300).collect();
    line.trim_end_matches('.').to_string()
}
