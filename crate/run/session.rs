//! One generation: prefill in chunks, then token after token from the resident loop until something stops it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::{Code, Result};
use crate::base::platform::Instant;
use crate::model::store::SequenceId;
use crate::run::batch::Batch;
use crate::run::constraint::{Commit, Constraint, Next};
use crate::run::decode::Sampled;
use crate::run::engine::{Engine, Prompt};
use crate::run::logprobs::{self, Logprobs};
use crate::run::sampler::{Limits, SamplingParams};
use crate::text::stop::{Passed, StopMatcher};
use crate::text::tokenizer::{StreamDecoder, Tokenizer};

/// How a reply is made.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// `None`: until the context is full.
    pub max_tokens: Option<u32>,
    /// Texts that end it; they are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end it, beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Go on past end-of-text tokens (for timing).
    pub ignore_eos: bool,
    /// Do not reuse what an earlier prompt left in the cache.
    pub fresh: bool,
    /// Tell how likely each token was, and so many of the likeliest; then one is computed at a time.
    pub logprobs: Option<u32>,
    /// Control tokens are part of the text, as the file writes them.
    pub keep_special: bool,
}

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

/// Times in milliseconds, rates in tokens per second; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// From the request to the first token.
    pub ttft_ms: f64,
    /// From the request until the prompt was read.
    pub prefill_ms: f64,
    /// Prompt tokens per second, those that were computed.
    pub prefill_tps: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// Tokens per second after the first.
    pub decode_tps: f64,
    /// Prompt tokens whose keys and values were still there from before.
    pub cached_tokens: usize,
}

/// One reply as it grows.
pub struct Generation {
    options: GenerateOptions,
    constraint: Option<Box<dyn Constraint>>,
    /// What may come next, by the constraint.
    going: Next,
    /// Tokens that begin the reply, whatever the model would say.
    forced: Vec<u32>,
    /// The reply has gone on otherwise than the device did.
    apart: bool,
    /// Tokens that end it.
    stops: Vec<u32>,
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
    /// Where its keys and values are.
    sequence: SequenceId,
    /// Ends it. It is over, too, once the engine has begun something else.
    cancel: Cancel,
    /// The most tokens that the options and the context allow.
    most: usize,
    /// Sampled, and not yet a step.
    next: Option<Sampled>,
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
        options: GenerateOptions,
        mut constraint: Option<Box<dyn Constraint>>,
    ) -> Result<Self> {
        engine.check_writes()?;
        engine.check_length(&prompt)?;
        let n_vocab = engine.model.net.n_vocab;
        options.sampling.validate(n_vocab as usize)?;
        if let Some(token) = options.stop_tokens.iter().find(|&&t| t >= n_vocab) {
            bail!(BadOption, "Stop token {token} is not in the vocabulary of {n_vocab}; give a token id below that.");
        }
        if let Some(token) = prompt.iter().find(|&&t| t >= n_vocab) {
            bail!(
                BadMetadata,
                "The tokenizer gave token {token}, but the model's vocabulary has {n_vocab}; the file's tokenizer does not fit its weights."
            );
        }
        // The last token needs no cell: nothing comes after it.
        let room = engine.model.sizes.context as usize - prompt.len() + 1;
        let most = options.max_tokens.map_or(room, |most| room.min(most as usize));
        // Where tokens see those after them, what they are depends on those.
        let fresh = options.fresh || engine.model.net.sees_ahead();
        let Commit { forced, next } = constraint.as_mut().map_or(Ok(Commit::default()), |it| it.start())?;
        let mut stops = options.stop_tokens.clone();
        if !options.ignore_eos {
            // A tokenizer may know ids beyond the model's logits: those are never sampled.
            stops.extend(engine.tokenizer.eog_ids().iter().filter(|&&id| id < n_vocab));
        }
        let samples = most > 0 && forced.is_empty();
        let (sequence, cancel) = engine.begin_prompt(&prompt, samples, fresh)?;
        let done = engine.model.kv().get(sequence)?.tokens.len();
        Ok(Generation {
            stop: StopMatcher::new(options.stop.clone()),
            stopped: false,
            decoder: StreamDecoder::new(options.keep_special),
            most,
            options,
            constraint,
            going: next,
            forced,
            apart: false,
            stops,
            prompt,
            tokens: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            timings: Timings { cached_tokens: done, ..Default::default() },
            logprobs: Vec::new(),
            done,
            sequence,
            cancel,
            next: None,
            started: Instant::now(),
            first_token: None,
            finished: false,
        })
    }

    /// What ends this generation from elsewhere, even in the middle of a step on the CPU.
    pub fn cancel_handle(&self) -> &Cancel {
        &self.cancel
    }

    /// The sequence that it computes, in the model's store.
    pub fn sequence(&self) -> SequenceId {
        self.sequence
    }

    /// The next step ends the generation.
    pub fn cancel(&mut self) {
        self.cancel.cancel();
    }

    /// One chunk of the prompt or one token; `None` after the end. After an error, too, there is nothing more.
    /// `Disposed` where something else has been computed on the engine since this generation was made.
    pub async fn next(&mut self, engine: &mut Engine) -> Result<Option<Step>> {
        if self.finished {
            return Ok(None);
        }
        if !self.cancel.is(&engine.current) {
            self.finished = true;
            bail!(
                Disposed,
                "This generation was ended by a later one on the same model; let one end before the next starts."
            );
        }
        let step = match self.step(engine).await {
            // The sequence holds what it held before this step.
            Err(error) if error.code == Code::Aborted => Ok(self.end(FinishReason::Abort, Vec::new())),
            step => step,
        };
        if let Err(error) = &step {
            self.finished = true;
            if error.code == Code::BadLogits {
                // What made them may be among its keys and values.
                engine.close(self.sequence);
            }
        }
        if self.finished {
            engine.stop();
        }
        step.map(Some)
    }

    async fn step(&mut self, engine: &mut Engine) -> Result<Step> {
        if self.cancel.is_cancelled() {
            return Ok(self.end(FinishReason::Abort, Vec::new()));
        }
        if self.forced.is_empty() && self.going == Next::End {
            return Ok(self.end(FinishReason::Stop, Vec::new()));
        }
        if self.done < self.prompt.len() {
            return self.prefill(engine).await;
        }
        if self.tokens.len() >= self.most {
            return Ok(self.end(FinishReason::Length, Vec::new()));
        }
        let mut new = New::default();
        if !self.forced.is_empty() {
            let forced = std::mem::take(&mut self.forced);
            let commit = Commit { forced, next: self.going };
            self.obey(&engine.tokenizer, commit, &mut new)?;
            return Ok(self.told(new));
        }
        let Sampled { token, stops } = match self.next.take() {
            Some(first) => first,
            None if self.apart => self.catch_up(engine).await?,
            None => engine.next_token(mask(&mut self.constraint, self.going)).await?,
        };
        let instead = self.constraint.as_mut().and_then(|constraint| constraint.instead(token));
        if let Some(n) = self.options.logprobs.filter(|_| instead.is_none()) {
            let logits = engine.logits(1).await?;
            self.logprobs.push(logprobs::of(&logits, token, n as usize));
        }
        // It came of the tokens before, whose keys and values are therefore there. Those of tokens that were submitted
        // after it may be there too: they count only once they are read.
        let known = engine.model.kv().get(self.sequence)?.tokens.len() - self.prompt.len();
        engine.model.kv_mut().push(self.sequence, &self.tokens[known..]);
        if let Some(commit) = instead {
            self.obey(&engine.tokenizer, commit, &mut new)?;
            return Ok(self.told(new));
        }
        self.add(&engine.tokenizer, token, stops, &mut new);
        if let Some(constraint) = self.constraint.as_mut().filter(|_| new.end.is_none()) {
            let commit = constraint.commit(token)?;
            self.obey(&engine.tokenizer, commit, &mut new)?;
            self.apart |= self.going == Next::Masked && engine.is_ahead();
        }
        Ok(self.told(new))
    }

    /// A token of the reply.
    fn add(&mut self, tokenizer: &Tokenizer, token: u32, stops: bool, new: &mut New) {
        self.tick();
        self.tokens.push(token);
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
                if new.end.is_some() || self.tokens.len() >= self.most {
                    return Ok(());
                }
                if let Some(n) = self.options.logprobs {
                    self.logprobs.push(Logprobs::certain(token, n as usize));
                }
                self.apart = true;
                self.add(tokenizer, token, self.stops.contains(&token), new);
                let Some(constraint) = &mut self.constraint else { return Ok(()) };
                last = constraint.commit(token)?;
            }
            commit = last;
        }
        self.going = commit.next;
        if new.end.is_none() && self.going == Next::End {
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

    /// Computes the tokens that were not sampled, in as few passes as they fit in, and samples the one after them as if the
    /// device had come to it by itself: by its place in the reply.
    async fn catch_up(&mut self, engine: &mut Engine) -> Result<Sampled> {
        let text = [&self.prompt[..], &self.tokens].concat();
        let done = engine.model.kv().get(self.sequence)?.tokens.len();
        engine.go_on(self.sequence, &text, done)?;
        loop {
            let batch = engine.next_rows()?;
            if !batch.rows.iter().any(|row| row.logits) {
                engine.prefill(&batch).await?;
                self.cancel.check()?;
                continue;
            }
            self.sample_after(engine, &batch, &text).await?;
            self.apart = false;
            return engine.next_token(mask(&mut self.constraint, self.going)).await;
        }
    }

    /// Runs the last rows of prompt and reply and submits the sampling of what follows.
    async fn sample_after(&mut self, engine: &mut Engine, batch: &Batch, text: &[u32]) -> Result<()> {
        let limits = Limits {
            first_cell: engine.model.kv().get(self.sequence)?.cells.first,
            stops: self.stops.clone(),
            limit: (self.prompt.len() + self.most) as u32,
            alone: self.options.logprobs.is_some(),
            step: (text.len() - self.prompt.len()) as u32,
            masked: self.going == Next::Masked,
        };
        let mask = mask(&mut self.constraint, self.going);
        engine.compute_and_sample(batch, &self.options.sampling, text, &limits, mask).await
    }

    async fn prefill(&mut self, engine: &mut Engine) -> Result<Step> {
        let total = self.prompt.len();
        let Some(batch) = engine.schedule.next_batch() else {
            bail!(Internal, "A prompt's rows were to be computed, but none were scheduled.");
        };
        let end = self.done + batch.rows.len();
        if batch.rows.iter().any(|row| row.logits) {
            let prompt = self.prompt.clone();
            self.sample_after(engine, &batch, &prompt).await?;
            // Waited for here, so that the times of prefill and decode are each their own.
            self.next = Some(engine.next_token(mask(&mut self.constraint, self.going)).await?);
        } else {
            engine.prefill(&batch).await?;
        }
        engine.model.kv_mut().push(self.sequence, &self.prompt[self.done..end]);
        self.done = end;
        if end == total {
            self.timings.prefill_ms = self.started.elapsed().as_secs_f64() * 1e3;
            self.timings.prefill_tps = rate(total - self.timings.cached_tokens, self.timings.prefill_ms);
        }
        Ok(Step::Prefill { done: end, total })
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

/// Who says which tokens may come next, where not all may.
fn mask(constraint: &mut Option<Box<dyn Constraint>>, next: Next) -> Option<&mut dyn Constraint> {
    match (constraint, next) {
        (Some(constraint), Next::Masked) => Some(&mut **constraint),
        _ => None,
    }
}

fn rate(tokens: usize, ms: f64) -> f64 {
    if ms > 0.0 { tokens as f64 / ms * 1e3 } else { 0.0 }
}
