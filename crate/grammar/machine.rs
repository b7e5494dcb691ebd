//! One reply under a grammar.

use llguidance::Matcher;
use llguidance::api::StopReason;

use crate::{Refused, Result};

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
    /// Forced tokens that it was not told of yet.
    announced: usize,
}

impl Machine {
    pub(crate) fn new(matcher: Matcher, n_vocab: usize) -> Machine {
        Machine { matcher, n_vocab, announced: 0 }
    }

    /// Before the first token.
    pub fn start(&mut self) -> Result<Step> {
        self.step()
    }

    /// A token was taken; it is told of forced ones too. Refused: a token that may not come here, or a grammar that
    /// takes too much.
    pub fn commit(&mut self, token: u32) -> Result<Step> {
        self.matcher.consume_token(token).map_err(|e| unkept(&e.to_string()))?;
        self.announced = self.announced.saturating_sub(1);
        if self.announced > 0 && !self.matcher.is_stopped() { Ok(Step::default()) } else { self.step() }
    }

    /// Which tokens may come next: bit `id % 32` of word `id / 32`, [n_vocab / 32, rounded up].
    pub fn mask(&mut self) -> Result<Vec<u32>> {
        let mask = self.matcher.compute_mask_or_eos().map_err(|e| unkept(&e.to_string()))?;
        let mut words = mask.as_slice().to_vec();
        words.resize(self.n_vocab.div_ceil(32), 0);
        // The set has room for one id more than there are.
        if let Some(last) = words.last_mut().filter(|_| !self.n_vocab.is_multiple_of(32)) {
            *last &= (1 << (self.n_vocab % 32)) - 1;
        }
        Ok(words)
    }

    fn step(&mut self) -> Result<Step> {
        if self.matcher.is_stopped() {
            return match self.matcher.stop_reason() {
                StopReason::EndOfSentence | StopReason::NoExtension => Ok(Step { ended: true, ..Step::default() }),
                reason => Err(unkept(&self.matcher.get_error().unwrap_or(reason.to_string()))),
            };
        }
        let forced = self.matcher.compute_ff_tokens();
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

/// llguidance's word for an empty mask.
const NOTHING: &str = "NoExtensionBias";

/// An error without the state that follows it, on one line, without its full stop.
pub(crate) fn first_lines(error: &str) -> String {
    let head = error.split("\n<").next().unwrap_or(error).split("<backtrace>").next().unwrap_or(error);
    if head == NOTHING {
        return "no text of this vocabulary goes on from here".into();
    }
    let words: Vec<&str> = head.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(300).collect();
    line.trim_end_matches('.').to_string()
}
