//! Several tokens by one pass: guesses of what comes next are computed beside the last token, and those are kept that would
//! have been chosen anyway (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding").
//!
//! A guess is a token, not a distribution, and a draw depends on logits, seed and place alone. So each row is sampled as if
//! its turn had come, and a guess is right if it is what was drawn: one of probability p is kept with probability p, and what
//! comes in place of a wrong one is drawn from the others. Hence the reply is that of plain decoding, drawn ones too.

pub(crate) mod draft;
mod lookup;
pub(crate) mod worth;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{Code, Result};
use crate::base::platform::Instant;
use crate::model::store::SequenceId;
use crate::run::batch::{Batch, Row};
use crate::run::constraint::Next;
use crate::run::engine::Engine;
use crate::run::request::{Chosen, Shared};
use lookup::Found;
use worth::Worth;

/// Whether what may come next is guessed, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Speculate {
    /// As it pays, or never.
    When(When),
    /// At most so many tokens a pass, whether it pays or not.
    Most(#[schemars(range(min = 1, max = worth::MOST))] u32),
}

impl Default for Speculate {
    fn default() -> Self {
        Speculate::When(When::Auto)
    }
}

impl Speculate {
    /// Never.
    pub const OFF: Speculate = Speculate::When(When::Off);
}

/// When guesses are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum When {
    /// Where it pays, as measured.
    Auto,
    /// Never.
    Off,
}

/// Guesses made for a reply, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guessed {
    /// Computed.
    pub drafted: usize,
    /// Of those, the right ones.
    pub accepted: usize,
}

/// A guess that is worth a pass.
struct Guess {
    sequence: SequenceId,
    /// How many tokens it may have.
    count: usize,
    /// How much of the text before it was there before it already.
    matched: usize,
    by: By,
}

/// Who guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// What followed the same words before, from this place of the text on.
    Lookup(usize),
    /// Another model.
    Draft,
}

impl Engine {
    /// Computes and samples a pass of guesses for the only request, if there are some that pay: its tokens wait to be read
    /// then. What is under way in the resident loop is read first. Errors: as a device fails; `Aborted` where the request
    /// was cancelled meanwhile.
    pub(crate) async fn speculate(&mut self, request: &Shared) -> Result<bool> {
        let guess = self.guess(request);
        self.drains = guess.is_some() && self.is_ahead();
        let Some(guess) = guess.filter(|_| !self.drains) else { return Ok(false) };
        self.halt();
        let (mut tokens, ms) = self.guessed(request, &guess).await?;
        // A draft's logits may be of more tokens than there are.
        tokens.truncate(tokens.iter().take_while(|&&token| token < self.model.net.n_vocab).count());
        if tokens.is_empty() {
            return Ok(false);
        }
        self.verify(request, guess, &tokens, ms).await.map(|()| true)
    }

    /// What is worth a pass. Nothing under a mask, where each token waits for the one before it.
    fn guess(&mut self, request: &Shared) -> Option<Guess> {
        let done = self.done(request);
        let state = request.borrow();
        let sequence = state.sequence?;
        let end = state.text.len();
        // A wrong guess takes another pass where there are states: those before it are computed once more.
        let states = self.model.kv().states.are_there();
        let off = state.speculate == Speculate::OFF || states && state.speculate == Speculate::default();
        let off = off || self.model.net.sees_ahead() || self.model.kv().reach(sequence, done as u32) < done as u32;
        if off || state.going != Next::Free || done + 1 != end {
            return None;
        }
        let (store, sizes) = (self.model.kv(), &self.model.sizes);
        // One token comes after the guesses, and needs no cell. For a guess no other text is forgotten.
        let left = state.left().checked_sub(1)?;
        let cells = (store.get(sequence).ok()?.room() + store.free()).min(sizes.context) as usize;
        let rows = sizes.max_rows.min(sizes.max_outputs) as usize;
        let most = left.min(cells.saturating_sub(end)).min(rows - 1);
        if most == 0 {
            return None;
        }
        let draft = self.draft.as_mut().filter(|draft| draft.holds(end + most));
        let found = lookup::find(&state.text);
        let all = [
            found.map(|Found { at, matched }| (By::Lookup(at), matched, &mut self.worth)),
            draft.map(|draft| (By::Draft, draft::TRUST, &mut draft.worth)),
        ];
        // Of both the one of which more comes of a time; where that is all one, the draft, which always has a guess.
        let worths = all.into_iter().flatten().map(|(by, matched, worth)| match state.speculate {
            Speculate::Most(count) => (1.0, most.min(count as usize), matched, by),
            Speculate::When(_) => {
                let (count, gain) = worth.choose(matched, most);
                (gain, count, matched, by)
            }
        });
        let (_, count, matched, by) = worths.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Guess { sequence, count, matched, by }).filter(|_| count > 0)
    }

    /// The tokens of a guess, and the milliseconds that they took.
    async fn guessed(&mut self, request: &Shared, guess: &Guess) -> Result<(Vec<u32>, f64)> {
        let (text, cancel) = {
            let state = request.borrow();
            (state.text.clone(), state.cancel.clone())
        };
        match (guess.by, &mut self.draft) {
            (By::Lookup(at), _) => Ok((lookup::follow(&text, at, guess.count), 0.0)),
            (By::Draft, Some(draft)) => match draft.guess(&text, guess.count, &cancel).await {
                Err(error) if error.code == Code::BadLogits => {
                    draft.failed = true;
                    Ok((Vec::new(), 0.0))
                }
                guessed => guessed,
            },
            (By::Draft, None) => Ok((Vec::new(), 0.0)),
        }
    }

    /// A pass of one row took `ms`.
    pub(super) fn took_one(&mut self, ms: f64) {
        self.worth.took(1, ms);
        if let Some(draft) = &mut self.draft {
            draft.worth.took(1, ms);
        }
    }

    fn worth_of(&mut self, by: By) -> &mut Worth {
        match (by, &mut self.draft) {
            (By::Draft, Some(draft)) => &mut draft.worth,
            _ => &mut self.worth,
        }
    }

    /// `ms`: what the guesses took.
    async fn verify(&mut self, request: &Shared, guess: Guess, tokens: &[u32], ms: f64) -> Result<()> {
        let Guess { sequence, matched, by, .. } = guess;
        self.idle = 0;
        self.current = request.borrow().cancel.clone();
        let (last, end, mode) = {
            let state = request.borrow();
            (state.text[state.text.len() - 1], state.text.len(), state.sampling.mode())
        };
        self.model.kv_mut().reserve(sequence, (end + tokens.len()) as u32, &mut self.device)?;
        let row = |(&token, position)| Row { token, position, sequence, logits: true };
        let rows: Vec<Row> = std::iter::once(&last).chain(tokens).zip(end as u32 - 1..).map(row).collect();
        let beside = self.model.choice.beside as usize;
        let batch = Batch { prefill: beside > 0 && rows.len() >= beside, rows };
        // What is made ready once is not part of what a pass takes.
        self.prepare(self.shape_of(&batch)).await?;
        self.decoder.prepare(mode, &self.device, &self.current).await?;
        let started = Instant::now();
        self.run(&batch).await?;
        let chosen = self.choose_rows(request, tokens).await?;
        let ms = ms + started.elapsed().as_secs_f64() * 1e3;
        let right = chosen.len() - 1;
        let worth = self.worth_of(by);
        worth.took(batch.rows.len(), ms);
        worth.told(matched, tokens.len(), right);
        self.counts.pass(batch.rows.len(), 1, 0);
        self.counts.guessed(tokens.len(), right);
        self.model.kv_mut().push(sequence, &[last]);
        let mut state = request.borrow_mut();
        state.guessed.drafted += tokens.len();
        state.guessed.accepted += right;
        state.ahead = chosen.into();
        state.chosen = state.ahead.pop_front().map(Ok);
        Ok(())
    }

    /// What comes after the text, and after each guess that was right: at least one token.
    async fn choose_rows(&mut self, request: &Shared, guesses: &[u32]) -> Result<Vec<Chosen>> {
        // The CPU has computed a choice when it is asked for: none is asked for in vain.
        let behind = if self.device.gpu().is_some() { guesses.len() } else { 0 };
        let mut all: Vec<Chosen> = Vec::new();
        let mut logits = std::collections::VecDeque::new();
        for row in 0..=guesses.len() + behind {
            if row <= guesses.len() {
                logits.push_back(self.sample(row, request, &guesses[..row]).await?);
            }
            if row < behind {
                continue;
            }
            let sampled = match self.decoder.next_of_rows(false, &self.device).await {
                Err(error) if all.is_empty() => return Err(error),
                // The next pass comes to it again.
                Err(_) => break,
                Ok(sampled) => sampled,
            };
            let goes_on = !sampled.stops && guesses.get(all.len()) == Some(&sampled.token);
            all.push(Chosen { sampled, logits: logits.pop_front().flatten() });
            if !goes_on {
                break;
            }
        }
        self.decoder.stop();
        Ok(all)
    }

    /// The next of the tokens that came with the one before.
    pub(crate) fn next_ahead(&mut self, request: &Shared) -> Option<Chosen> {
        let chosen = request.borrow_mut().ahead.pop_front()?;
        self.has_read(request);
        Some(chosen)
    }
}
