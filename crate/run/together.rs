//! One pass for all requests: each reply's next token, and as much of a prompt as the pace allows. What is sampled waits
//! for the generations to read it.
//!
//! The sampler is one. Before each row's choice it is told that row's text, so it keeps nothing of anyone, and a choice
//! depends on logits, seed and place alone. A request that is alone is sampled by the resident loop instead, which runs
//! ahead on the device ([`Decoder`](crate::run::decode::Decoder)).

use std::rc::Rc;

use crate::bail;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::memory::{Move, Moves};
use crate::model::forward::Shape;
use crate::model::store::SequenceId;
use crate::run::batch::{Batch, Row};
use crate::run::constraint::{Constraint, Next};
use crate::run::decode::Sampled;
use crate::run::engine::Engine;
use crate::run::request::{Chosen, Shared, mask};
use crate::run::schedule::{self, Bounds, Schedule, Want};

/// Tokens of a prompt that pay a pass of their last one by itself, where there are states.
const WORTH_LEAVING: usize = 16;

/// Rows of a request in a pass.
struct Part {
    request: Shared,
    sequence: SequenceId,
    /// Where the first stands.
    from: usize,
    tokens: Vec<u32>,
    logits: bool,
    /// They are read, not written.
    reads: bool,
}

impl Part {
    /// Rows that are the prompt's.
    fn of_prompt(&self) -> usize {
        self.request.borrow().prompt.saturating_sub(self.from).min(self.tokens.len())
    }
}

/// Whether all replies that go on may wait for prompts.
fn is_patient(parts: &[Part]) -> bool {
    let mut replies = parts.iter().filter(|part| !part.reads);
    replies.all(|part| part.request.borrow().schedule == Schedule::Throughput)
}

impl Engine {
    /// Computes a pass for everyone who has something to compute, and samples what comes after it.
    ///
    /// Errors: as the device fails; `Aborted` where the only request was cancelled meanwhile.
    pub(crate) async fn step(&mut self) -> Result<()> {
        self.purge();
        self.halt();
        self.shift_some().await?;
        self.shorten_some().await?;
        let parts = self.plan()?;
        if parts.is_empty() {
            if let [only] = &self.live[..]
                && only.borrow().is_ready()
            {
                bail!(Internal, "A request was to be computed, but has no rows.");
            }
            self.was_idle();
            return Ok(());
        }
        self.idle = 0;
        if parts.iter().any(|part| part.reads) && self.waits_for_readers() {
            return Ok(());
        }
        self.current = match &self.live[..] {
            [only] => only.borrow().cancel.clone(),
            _ => self.part(),
        };
        let batch = self.batch(&parts);
        let started = Instant::now();
        match parts.iter().find(|part| part.logits && self.is_alone()) {
            Some(part) => self.begin_alone(&batch, &part.request).await?,
            None => self.compute(&batch, &parts).await?,
        }
        for part in &parts {
            let store = self.model.kv_mut();
            store.push(part.sequence, &part.tokens);
            if part.reads {
                store.mark(part.sequence, part.request.borrow().prompt as u32);
            }
            part.request.borrow_mut().served = self.turn;
        }
        let prompts = parts.iter().map(Part::of_prompt).sum();
        self.counts.pass(batch.rows.len(), parts.len(), prompts);
        let ms = started.elapsed().as_secs_f64() * 1e3;
        if batch.rows.len() == 1 && self.is_alone() {
            self.took_one(ms);
        }
        let read = parts.iter().filter(|part| part.reads).map(|part| part.tokens.len()).sum();
        if parts.iter().any(|part| !part.reads) && !(read > 0 && is_patient(&parts)) {
            self.pace.took(read, ms);
        }
        Ok(())
    }

    /// Whether a reply's next token is there and is about to be read: those who have their prompts read ask by turns, and a pass for
    /// each of them would hold that reply up. One whose reader was passed over by everyone is not waited for.
    fn waits_for_readers(&self) -> bool {
        let everyone = self.live.len() as u32;
        let mut waits = false;
        for request in &self.live {
            let mut state = request.borrow_mut();
            let is_there = state.chosen.is_some() || !state.ahead.is_empty();
            if is_there && state.schedule == Schedule::Latency && !state.cancel.is_cancelled() {
                state.passed = state.passed.saturating_add(1);
                waits |= state.passed <= everyone;
            }
        }
        waits
    }

    /// The next token of the only request, from the resident loop, which it follows.
    pub(crate) async fn next_alone(&mut self, request: &Shared) -> Result<Chosen> {
        let going = request.borrow().going;
        let mut constraint = request.borrow_mut().constraint.take();
        let started = Instant::now();
        let sampled = self.next_token(mask(&mut constraint, going)).await;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        self.pace.took(0, ms);
        if going == Next::Free {
            self.took_one(ms);
        }
        self.counts.pass(1, 1, 0);
        request.borrow_mut().constraint = constraint;
        let sampled = sampled?;
        let chosen = Chosen { sampled, logits: self.logits_for(request).await? };
        self.has_read(request);
        Ok(chosen)
    }

    /// What was read came of the tokens before, whose keys and values are therefore there. Those of tokens that were submitted
    /// after it may be there too: they count only once they are read.
    pub(super) fn has_read(&mut self, request: &Shared) {
        let (known, sequence) = (self.done(request), request.borrow().sequence);
        if let Some(sequence) = sequence {
            self.model.kv_mut().push(sequence, &request.borrow().text[known..]);
        }
    }

    async fn logits_for(&self, request: &Shared) -> Result<Option<Vec<f32>>> {
        let wanted = request.borrow().logits;
        Ok(if wanted { Some(self.logits(1).await?) } else { None })
    }

    /// The rows of the next pass.
    fn plan(&mut self) -> Result<Vec<Part>> {
        self.turn += 1;
        // The first to come has room first.
        for request in self.live.clone() {
            let sequence = request.borrow().sequence;
            if let Some(sequence) = sequence {
                self.model.kv_mut().settle(sequence);
            }
            let Some(sequence) = sequence.filter(|_| request.borrow().is_ready()) else { continue };
            let done = self.done(&request);
            if request.borrow().wants && done == request.borrow().text.len() {
                // The logits after its last token are wanted once more.
                self.model.kv_mut().rewind(sequence, done as u32 - 1);
            }
            self.make_room_for(&request)?;
        }
        self.admit_some()?;
        let mut parts = Vec::new();
        for request in &self.live {
            let done = self.done(request);
            let state = request.borrow();
            let Some(sequence) = state.sequence.filter(|_| state.is_ready()) else { continue };
            let mut end = state.end().max(done);
            // The same prompt once more goes on from before its last token: its state there is left.
            let leaves = self.model.kv().states.are_there() && done + WORTH_LEAVING < state.prompt;
            if leaves {
                end = end.min(state.prompt - 1);
            }
            let tokens = state.text[done..end].to_vec();
            if tokens.is_empty() {
                continue;
            }
            let reads = done < state.prompt || !Shape::are_few(tokens.len());
            let logits = state.wants && end == state.end().max(done);
            parts.push(Part { request: request.clone(), sequence, from: done, tokens, logits, reads });
        }
        if self.model.net.sees_ahead()
            && let Some(at) = parts.iter().position(|part| part.from < part.request.borrow().prompt)
        {
            // Its tokens see those behind them: it is read at once, by itself.
            parts = vec![parts.swap_remove(at)];
            let part = &mut parts[0];
            part.logits &= part.tokens.len() == part.request.borrow().prompt;
            part.tokens.truncate(part.request.borrow().prompt);
        }
        let want = |part: &Part| Want {
            rows: part.tokens.len(),
            logits: part.logits,
            reads: part.reads,
            served: part.request.borrow().served,
        };
        let sizes = &self.model.sizes;
        let rows = sizes.max_rows as usize;
        let chunk = if is_patient(&parts) { rows } else { self.pace.chunk() };
        let bounds = Bounds { rows, outputs: sizes.max_outputs as usize, chunk };
        let shares = schedule::share(&parts.iter().map(want).collect::<Vec<_>>(), bounds, self.turn);
        for (part, share) in parts.iter_mut().zip(shares) {
            part.logits &= share == part.tokens.len();
            part.tokens.truncate(share);
        }
        parts.retain(|part| !part.tokens.is_empty());
        Ok(parts)
    }

    /// A prompt's rows take the kernels of prompts, whoever shares their pass; a few that go on are computed as one is, where
    /// that is quicker.
    fn batch(&self, parts: &[Part]) -> Batch {
        let row = |part: &Part, (i, &token): (usize, &u32)| Row {
            token,
            position: (part.from + i) as u32,
            sequence: part.sequence,
            logits: part.logits && i + 1 == part.tokens.len(),
        };
        let rows: Vec<Row> =
            parts.iter().flat_map(|part| part.tokens.iter().enumerate().map(move |at| row(part, at))).collect();
        let beside = self.model.choice.beside as usize;
        let prefill = match self.model.net.sees_ahead() {
            true => parts.iter().any(|part| part.from < part.request.borrow().prompt),
            false => parts.iter().any(|part| part.reads) || beside > 0 && parts.len() >= beside,
        };
        Batch { rows, prefill }
    }

    /// The last rows of the only request; from here on the resident loop samples for it.
    async fn begin_alone(&mut self, batch: &Batch, request: &Shared) -> Result<()> {
        self.resident = Some(Rc::downgrade(request));
        let mut constraint = request.borrow_mut().constraint.take();
        let begun = self.begin_loop(batch, request, &mut constraint).await;
        request.borrow_mut().constraint = constraint;
        let sampled = begun?;
        let chosen = Chosen { sampled, logits: self.logits_for(request).await? };
        request.borrow_mut().chosen = Some(Ok(chosen));
        Ok(())
    }

    async fn begin_loop(
        &mut self,
        batch: &Batch,
        request: &Shared,
        constraint: &mut Option<Box<dyn Constraint>>,
    ) -> Result<Sampled> {
        let (sampling, text, limits, going) = {
            let state = request.borrow();
            (state.sampling.clone(), state.text.clone(), state.limits(batch.tables(), 0), state.going)
        };
        self.compute_and_sample(batch, &sampling, &text, &limits, mask(constraint, going)).await?;
        self.next_token(mask(constraint, going)).await
    }

    /// A pass, and what comes after each row whose logits are wanted. What is wrong with one request is that one's error.
    async fn compute(&mut self, batch: &Batch, parts: &[Part]) -> Result<()> {
        self.run(batch).await?;
        let mut sampled = Vec::new();
        for (row, Part { request, .. }) in parts.iter().filter(|part| part.logits).enumerate() {
            match self.sample(row, request, &[]).await {
                Ok(logits) => sampled.push((request, logits)),
                Err(error) => request.borrow_mut().chosen = Some(Err(error)),
            }
        }
        if sampled.is_empty() {
            return self.device.idle().await;
        }
        for (request, logits) in sampled {
            let masked = request.borrow().limits(0, 0).masked;
            let chosen = self.decoder.next_of_rows(masked, &self.device).await;
            request.borrow_mut().chosen = Some(chosen.map(|sampled| Chosen { sampled, logits }));
        }
        Ok(())
    }

    /// Samples what comes after the text and some guesses by row number `row` of the logits; gives them where they are wanted.
    pub(super) async fn sample(&mut self, row: usize, request: &Shared, guesses: &[u32]) -> Result<Option<Vec<f32>>> {
        let bytes = 4 * u64::from(self.model.net.n_vocab);
        if row > 0 {
            // Kernels read the first row.
            let (buffer, from) = (self.model.logits_buffer(), row as u64 * bytes);
            self.device.move_bytes(&[Move { buffer, from, to: 0, bytes }]);
        }
        let mode = {
            let mut state = request.borrow_mut();
            let limits = state.limits(0, guesses.len());
            let text = [&state.text, guesses].concat();
            let going = state.going;
            let allowed = mask(&mut state.constraint, going).map(Constraint::mask).transpose()?;
            let mode = state.sampling.mode().under(limits.masked);
            self.decoder.begin_row(&mut self.device, &state.sampling, &text, &limits, allowed.as_deref())?;
            mode
        };
        self.decoder.sample_row(mode, &mut self.device, &self.current).await?;
        self.logits_for(request).await
    }
}
