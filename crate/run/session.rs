//! One generation: its prompt is read in chunks, then token comes after token until something stops it. Several may be under
//! way on one engine: whoever asks for a step has a pass computed for all of them ([`together`](crate::run::together)).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::{Code, Result};
use crate::base::platform::Instant;
use crate::model::store::SequenceId;
use crate::run::constraint::{Commit, Constraint, Next};
use crate::run::decode::Sampled;
use crate::run::engine::{Engine, Prompt};
use crate::run::logprobs::{self, Logprobs};
pub use crate::run::options::GenerateOptions;
use crate::run::past;
use crate::run::request::{Chosen, Request, Shared};
use crate::run::speculate::Guessed;
use crate::run::timings::{Timings, rate};
use crate::text::stop::{Passed, StopMatcher};
use crate::text::tokenizer::{StreamDecoder, Tokenizer};

/// Why a reply ended. `stop`: an end-of-text token, a stop token or a stop text; `length`: `maxTokens`, or the context is
/// full; `abort`: the caller stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// By a token or a text that ends replies.
    Stop,
    /// By `max_tokens`, or the end of the context.
    Length,
    /// By the caller.
    Abort,
}

impl FinishReason {
    /// Its name as results write it.
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Abort => "abort",
        }
    }
}

/// What one step of a reply gives.
#[derive(Clone, Debug)]
pub enum Step {
    /// Prompt tokens processed so far.
    Prefill {
        /// Prompt tokens that are done.
        done: usize,
        /// Prompt tokens that are to be processed.
        total: usize,
    },
    /// Nothing of this one: the pass was others', or it waits in line for room.
    Waiting,
    /// New tokens and the text they complete; the text may be empty while a character or stop string is undecided.
    Token {
        /// What is known of the text since the step before.
        text: String,
        /// The new ids.
        tokens: Vec<u32>,
    },
    /// The last step, with the text that was held back until now and the tokens that were in no step before: the one
    /// that ended the generation, if one did. The texts and tokens of all steps make up the whole.
    End {
        /// Why the reply ends.
        reason: FinishReason,
        /// What was held back.
        text: String,
        /// The ids that no step had.
        tokens: Vec<u32>,
    },
}

/// One reply as it grows.
pub struct Generation {
    options: GenerateOptions,
    /// What the engine knows of it: it is over once the engine has begun something else.
    pub(super) request: Shared,
    /// Tokens that begin the reply, whatever the model would say.
    forced: Vec<u32>,
    /// The reply has gone on otherwise than the device did.
    pub(super) apart: bool,
    /// Of the options: what is still to be taken again.
    pub(super) past: VecDeque<u32>,
    /// Tokens that were sampled since someone asked.
    pub(super) sampled: Vec<u32>,
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// The reply's tokens so far.
    pub tokens: Vec<u32>,
    /// The reply's text so far.
    pub text: String,
    /// Where in the whole text, were it not cut by a stop text, that of each token ends, in bytes: a token that is a part of a
    /// character ends where it begins.
    pub ends: Vec<usize>,
    /// What it took so far.
    pub timings: Timings,
    /// One for each of `tokens`, where they are asked for.
    pub logprobs: Vec<Logprobs>,
    stop: StopMatcher,
    /// A stop text ended it.
    pub stopped: bool,
    decoder: StreamDecoder,
    /// Prompt tokens processed.
    done: usize,
    /// Ends it.
    cancel: Cancel,
    started: Instant,
    first_token: Option<Instant>,
    finished: bool,
}

impl Generation {
    /// Checks options and prompt; nothing is computed yet.
    pub fn new(engine: &mut Engine, prompt: &Prompt, options: GenerateOptions) -> Result<Self> {
        let prompt = engine.encode(prompt)?;
        Self::with_tokens(engine, prompt, options)
    }

    /// As [`Generation::new`], from token ids.
    pub fn with_tokens(engine: &mut Engine, prompt: Vec<u32>, options: GenerateOptions) -> Result<Self> {
        Self::constrained(engine, prompt, options, None)
    }

    /// As [`Generation::with_tokens`]; the reply is what the constraint lets it be, whose errors end it.
    pub fn constrained(
        engine: &mut Engine,
        prompt: Vec<u32>,
        mut options: GenerateOptions,
        mut constraint: Option<Box<dyn Constraint>>,
    ) -> Result<Self> {
        engine.check_writes()?;
        engine.check_length(&prompt)?;
        let n_vocab = engine.model.net.n_vocab;
        options.sampling.validate(n_vocab as usize)?;
        if let Some(token) = options.stop_tokens.iter().find(|&&t| t >= n_vocab) {
            bail!(BadOption, "Stop token {token} is not in the vocabulary of {n_vocab}; give a token id below that.");
        }
        let past = past::read(&mut options, n_vocab)?;
        if let Some(token) = prompt.iter().find(|&&t| t >= n_vocab) {
            bail!(
                BadMetadata,
                "The tokenizer gave token {token}, but the model's vocabulary has {n_vocab}; the file's tokenizer does not fit its weights."
            );
        }
        // The last token needs no cell: nothing comes after it.
        let longest = engine.model.sizes.context as usize + 1;
        let room = if options.shifts { usize::MAX } else { longest - prompt.len() };
        let most = options.max_tokens.map_or(room, |most| room.min(most as usize));
        // Where tokens see those after them, what they are depends on those.
        let fresh = options.fresh || engine.model.net.sees_ahead();
        let Commit { forced, next } = constraint.as_mut().map_or(Ok(Commit::default()), |it| it.start())?;
        let mut stops = options.stop_tokens.clone();
        if !options.ignore_eos {
            // A tokenizer may know ids beyond the model's logits: those are never sampled.
            stops.extend(engine.tokenizer.eog_ids().iter().filter(|&&id| id < n_vocab));
        }
        let blend = engine.blend(&options.adapter)?;
        if options.shifts || options.cut {
            engine.model.net.check_shifts()?;
        }
        let cancel = engine.part();
        let request = Rc::new(RefCell::new(Request {
            text: prompt.clone(),
            prompt: prompt.len(),
            gone: [0; 2],
            most,
            longest,
            sampling: options.sampling.clone(),
            stops,
            blend,
            fresh,
            shifts: options.shifts,
            cut: options.cut,
            to_shift: options.cut && !fresh,
            keeps: options.keeps,
            logits: options.logprobs.is_some(),
            constraint,
            going: next,
            wants: most > 0 && forced.is_empty() && past.is_empty() && next != Next::End,
            sequence: None,
            cached: 0,
            chosen: None,
            ahead: VecDeque::new(),
            passed: 0,
            speculate: options.speculate,
            schedule: options.schedule,
            priority: options.priority,
            primes: options.primes,
            guessed: Guessed::default(),
            cancel: cancel.clone(),
            served: 0,
        }));
        engine.join(&request)?;
        let cached = request.borrow().cached;
        Ok(Generation {
            stop: StopMatcher::new(options.stop.clone()),
            stopped: false,
            decoder: StreamDecoder::new(options.keep_special),
            options,
            request,
            forced,
            apart: false,
            past,
            sampled: Vec::new(),
            prompt,
            tokens: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            timings: Timings { cached_tokens: cached, ..Default::default() },
            logprobs: Vec::new(),
            done: cached,
            cancel,
            started: Instant::now(),
            first_token: None,
            finished: false,
        })
    }

    /// What ends this generation from elsewhere, even in the middle of a step on the CPU.
    pub fn cancel_handle(&self) -> &Cancel {
        &self.cancel
    }

    /// The sequence that it computes, in the model's store; none while it waits in line for room.
    pub fn sequence(&self) -> Option<SequenceId> {
        self.request.borrow().sequence
    }

    /// The next step ends the generation.
    pub fn cancel(&mut self) {
        self.cancel.cancel();
    }

    /// One chunk of the prompt or one token; `None` after the end. After an error, too, there is nothing more.
    /// Of several generations on an engine each is asked in turn: one that is not read holds up nobody, but its own reply.
    /// `Disposed` where other work than generations has begun on the engine since this one was made.
    pub async fn next(&mut self, engine: &mut Engine) -> Result<Option<Step>> {
        if self.finished {
            return Ok(None);
        }
        if !engine.has(&self.request) {
            self.finished = true;
            bail!(
                Disposed,
                "This generation was ended by other work on the same model; let it end before that starts."
            );
        }
        let step = match self.step(engine).await {
            // The sequence holds what it held before this step.
            Err(error) if error.code == Code::Aborted && self.cancel.is_cancelled() => {
                Ok(self.end(FinishReason::Abort, Vec::new()))
            }
            step => step,
        };
        if let Ok(Step::Token { tokens, .. } | Step::End { tokens, .. }) = &step {
            engine.counts.wrote(tokens.len());
        }
        if let Err(error) = &step {
            self.finished = true;
            if let (Code::BadLogits, Some(sequence)) = (error.code, self.sequence()) {
                // What made them may be among its keys and values.
                engine.close(sequence);
            }
        }
        if self.finished {
            engine.leave(&self.request);
        } else {
            let mut request = self.request.borrow_mut();
            request.wants = self.forced.is_empty() && self.past.is_empty() && self.tokens.len() < request.most;
        }
        step.map(Some)
    }

    async fn step(&mut self, engine: &mut Engine) -> Result<Step> {
        if self.cancel.is_cancelled() {
            return Ok(self.end(FinishReason::Abort, Vec::new()));
        }
        if self.forced.is_empty() && self.request.borrow().going == Next::End {
            return Ok(self.end(FinishReason::Stop, Vec::new()));
        }
        if self.past.is_empty() && self.done < self.prompt.len() {
            return self.prefill(engine).await;
        }
        if self.tokens.len() >= self.request.borrow().most {
            return Ok(self.end(FinishReason::Length, Vec::new()));
        }
        let mut new = New::default();
        if !self.forced.is_empty() {
            let forced = std::mem::take(&mut self.forced);
            let commit = Commit { forced, next: self.request.borrow().going };
            self.obey(&engine.tokenizer, commit, &mut new)?;
            return Ok(self.told(new));
        }
        let Some(Chosen { sampled: Sampled { token, stops }, logits }) = self.take(engine).await? else {
            return Ok(Step::Waiting);
        };
        let Guessed { drafted, accepted } = self.request.borrow().guessed;
        (self.timings.drafted_tokens, self.timings.accepted_tokens) = (drafted, accepted);
        self.timings.shifted_tokens = self.request.borrow().gone.iter().sum();
        let instead = self.with_constraint(|it| it.instead(token)).flatten();
        if let Some(n) = self.options.logprobs.filter(|_| instead.is_none()) {
            let of = |logits: Vec<f32>| logprobs::of(&logits, token, n as usize);
            self.logprobs.push(logits.map_or_else(|| Logprobs::certain(token, n as usize), of));
        }
        if let Some(commit) = instead {
            self.apart = true;
            self.obey(&engine.tokenizer, commit, &mut new)?;
            return Ok(self.told(new));
        }
        self.add(&engine.tokenizer, token, stops, &mut new);
        if new.end.is_none()
            && let Some(commit) = self.with_constraint(|constraint| constraint.commit(token))
        {
            self.obey(&engine.tokenizer, commit?, &mut new)?;
            let is_ahead = engine.is_ahead() || !self.request.borrow().ahead.is_empty();
            self.apart |= self.request.borrow().going == Next::Masked && is_ahead;
        }
        Ok(self.told(new))
    }

    fn with_constraint<T>(&self, then: impl FnOnce(&mut dyn Constraint) -> T) -> Option<T> {
        self.request.borrow_mut().constraint.as_mut().map(|constraint| then(&mut **constraint))
    }

    /// What comes next. Tokens that were not sampled are computed first, in as few passes as they fit in, and the one after
    /// them is sampled as if the device had come to it by itself: by its place in the reply. `None` where others' passes are
    /// to be read first.
    pub(super) async fn choose(&mut self, engine: &mut Engine) -> Result<Option<Chosen>> {
        if std::mem::take(&mut self.apart) {
            self.request.borrow_mut().ahead.clear();
            if engine.follows(&self.request) {
                engine.halt();
            }
        }
        loop {
            self.request.borrow_mut().passed = 0;
            let chosen = self.request.borrow_mut().chosen.take();
            if let Some(chosen) = chosen {
                return chosen.map(Some);
            }
            if let Some(chosen) = engine.next_ahead(&self.request) {
                return Ok(Some(chosen));
            }
            if engine.is_alone() && engine.speculate(&self.request).await? {
                continue;
            }
            if engine.is_alone() && engine.follows(&self.request) && engine.loops() {
                return engine.next_alone(&self.request).await.map(Some);
            }
            engine.step().await?;
            let waits = self.request.borrow().chosen.is_none();
            if waits && !engine.is_alone() {
                return Ok(None);
            }
            self.cancel.check()?;
        }
    }

    /// A token of the reply.
    fn add(&mut self, tokenizer: &Tokenizer, token: u32, stops: bool, new: &mut New) {
        self.tick();
        self.tokens.push(token);
        self.request.borrow_mut().text.push(token);
        new.tokens.push(token);
        let end = self.ends.last().copied().unwrap_or(0);
        if stops {
            self.ends.push(end);
            new.text += &self.flush();
            new.end = Some(FinishReason::Stop);
            return;
        }
        let piece = self.decoder.push(tokenizer, token);
        self.ends.push(end + piece.len());
        let Passed { text, stopped } = self.stop.push(&piece);
        self.text.push_str(&text);
        new.text += &text;
        if stopped {
            (self.finished, self.stopped) = (true, true);
            new.end = Some(FinishReason::Stop);
        } else if self.options.max_tokens.is_some_and(|most| self.tokens.len() >= most as usize) {
            new.text += &self.flush();
            new.end = Some(FinishReason::Length);
        }
    }

    /// What the constraint says comes next. Forced tokens are part of the reply at once; they are computed with the token
    /// that is sampled after them.
    fn obey(&mut self, tokenizer: &Tokenizer, mut commit: Commit, new: &mut New) -> Result<()> {
        while !commit.forced.is_empty() {
            let mut last = Commit::default();
            for token in commit.forced {
                if new.end.is_some() || self.tokens.len() >= self.request.borrow().most {
                    return Ok(());
                }
                if let Some(n) = self.options.logprobs {
                    self.logprobs.push(Logprobs::certain(token, n as usize));
                }
                self.apart = true;
                let stops = self.request.borrow().stops.contains(&token);
                self.add(tokenizer, token, stops, new);
                let Some(commit) = self.with_constraint(|constraint| constraint.commit(token)) else { return Ok(()) };
                last = commit?;
            }
            commit = last;
        }
        self.request.borrow_mut().going = commit.next;
        if new.end.is_none() && commit.next == Next::End {
            new.text += &self.flush();
            new.end = Some(FinishReason::Stop);
        }
        Ok(())
    }

    fn told(&self, New { text, tokens, end }: New) -> Step {
        match end {
            Some(reason) => Step::End { reason, text, tokens },
            None => Step::Token { text, tokens },
        }
    }

    async fn prefill(&mut self, engine: &mut Engine) -> Result<Step> {
        let total = self.prompt.len();
        // Others may have had some of it read; or all of it, and what comes after it chosen, and then its cells taken.
        let is_read = |request: &Shared| request.borrow().chosen.is_some();
        if !is_read(&self.request) && engine.done(&self.request) <= self.done {
            engine.step().await?;
        }
        self.timings.cached_tokens = self.request.borrow().cached;
        let done = if is_read(&self.request) { total } else { engine.done(&self.request).min(total) };
        if done <= self.done {
            return Ok(Step::Waiting);
        }
        self.done = done;
        if done == total {
            self.timings.prefill_ms = self.started.elapsed().as_secs_f64() * 1e3;
            if !self.options.again {
                engine.counts.read(total, self.timings.cached_tokens);
            }
            self.timings.prefill_tps = rate(total - self.timings.cached_tokens, self.timings.prefill_ms);
        }
        Ok(Step::Prefill { done, total })
    }

    /// Takes the time of a sampled token.
    fn tick(&mut self) {
        match self.first_token {
            None => {
                self.first_token = Some(Instant::now());
                self.timings.ttft_ms = self.started.elapsed().as_secs_f64() * 1e3;
            }
            Some(first) => {
                self.timings.decode_ms = first.elapsed().as_secs_f64() * 1e3;
                self.timings.decode_tps = rate(self.tokens.len(), self.timings.decode_ms);
            }
        }
    }

    fn end(&mut self, reason: FinishReason, tokens: Vec<u32>) -> Step {
        Step::End { reason, text: self.flush(), tokens }
    }

    /// Finishes, with the text that decoder and stop matcher still held back.
    fn flush(&mut self) -> String {
        self.finished = true;
        let rest = self.decoder.finish();
        let Passed { mut text, stopped } = self.stop.push(&rest);
        self.stopped |= stopped;
        if !stopped {
            text.push_str(&self.stop.finish());
        }
        self.text.push_str(&text);
        text
    }
}

/// What a step adds to a reply.
#[derive(Default)]
struct New {
    text: String,
    tokens: Vec<u32>,
    /// Why it is the last, if it is.
    end: Option<FinishReason>,
}
