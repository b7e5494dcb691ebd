//! The phases of one reply.

use std::rc::Rc;

use super::Plan;
use super::either::{Either, Kind};
use crate::base::error::Result;
use crate::chat::parse::Held;
use crate::run::constraint::{Commit, Constraint, Next};

/// Decides what one reply may be.
pub struct Reply {
    plan: Rc<Plan>,
    phase: Phase,
    /// Of the phase: its text, its tokens, and where in the text each begins.
    text: Vec<u8>,
    tokens: Vec<u32>,
    starts: Vec<usize>,
    /// No call begins before this byte of the text.
    looked: usize,
    /// A thought came before the phase.
    after_thought: bool,
}

enum Phase {
    /// It may open a thought; nothing is said yet.
    Start,
    Thought,
    /// Free, until a call begins.
    Content,
    /// The reply itself, or the opening of a thought, is what a grammar allows.
    Strict(Either),
    /// A call and what follows it.
    Calls(Box<dyn Constraint>),
    /// To the end.
    Free,
}

fn free() -> Commit {
    Commit::default()
}

impl Reply {
    pub fn new(plan: Rc<Plan>) -> Reply {
        plan.writing.held_to.set(Held::Nothing);
        Reply {
            plan,
            phase: Phase::Start,
            text: Vec::new(),
            tokens: Vec::new(),
            starts: Vec::new(),
            looked: 0,
            after_thought: false,
        }
    }

    /// Another phase, whose text is empty.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.text.clear();
        self.tokens.clear();
        self.starts.clear();
        self.looked = 0;
        self.tell();
    }

    /// Tells who takes the reply apart what it is.
    fn tell(&self) {
        let after_thought = self.after_thought;
        self.plan.writing.held_to.set(match &self.phase {
            Phase::Calls(_) => Held::Calls,
            Phase::Strict(either) => match either.kind() {
                None => Held::Undecided,
                Some(Kind::Thought) => Held::Nothing,
                Some(Kind::Call) => Held::Calls,
                Some(Kind::Content) => Held::Text { after_thought },
            },
            _ => Held::Nothing,
        });
    }

    /// The text of a token joins that of the phase.
    fn read(&mut self, token: u32) {
        self.starts.push(self.text.len());
        self.tokens.push(token);
        self.text.extend(self.plan.tokenizer.token_bytes(token).unwrap_or_default());
    }

    /// A thought goes on, or is to be closed.
    fn think(&self) -> Commit {
        let spent = self.plan.wanted.thought_tokens.is_some_and(|most| self.tokens.len() >= most as usize);
        if spent { self.close() } else { free() }
    }

    /// The thought is closed now.
    fn close(&self) -> Commit {
        self.plan.writing.held_to.set(Held::Closing);
        Commit { forced: self.plan.close.clone(), next: Next::Free }
    }

    /// The rest of a thought's closing text, where a token ends that and holds more: what stands behind it would be seen by
    /// nobody. White space is let pass where the reply itself is free.
    fn rest_of_close(&self, token: u32) -> Option<Vec<u32>> {
        let plan = &self.plan;
        let close = plan.writing.reasoning().close.as_bytes();
        let bytes = plan.tokenizer.token_bytes(token)?;
        let from = self.text.len().saturating_sub(close.len().saturating_sub(1));
        let there = self.text.len() - from;
        let text = [&self.text[from..], &bytes].concat();
        let end = text.windows(close.len().max(1)).position(|window| window == close)? + close.len();
        let behind = &text[end..];
        if behind.is_empty() || !plan.is_strict() && behind.trim_ascii().is_empty() {
            return None;
        }
        let missing = std::str::from_utf8(text.get(there..end)?).ok();
        let tokens = missing.and_then(|text| plan.tokens_of(text).ok()).filter(|tokens| {
            let bytes = tokens.iter().flat_map(|&token| plan.tokenizer.token_bytes(token).unwrap_or_default());
            bytes.eq(text[there..end].iter().copied())
        });
        Some(tokens.unwrap_or_else(|| plan.close.clone()))
    }

    /// The reply itself begins.
    fn say(&mut self, after_thought: bool) -> Result<Commit> {
        self.after_thought = after_thought;
        if self.plan.is_strict() {
            let mut either = self.plan.strict(after_thought)?;
            let commit = either.start()?;
            self.enter(Phase::Strict(either));
            return Ok(commit);
        }
        self.enter(if self.plan.calls.is_some() { Phase::Content } else { Phase::Free });
        Ok(free())
    }

    /// The tokens of the text so far are read again as the reply itself.
    fn say_again(&mut self) -> Result<Commit> {
        let tokens = std::mem::take(&mut self.tokens);
        let mut commit = self.say(false)?;
        for token in tokens {
            commit = self.commit(token)?;
        }
        Ok(commit)
    }

    fn started(&mut self) -> Result<Commit> {
        let open = self.plan.writing.reasoning().open.trim().as_bytes();
        let said = self.text.trim_ascii_start();
        if !open.is_empty() && said.starts_with(open) {
            // A token may hold more than the tag.
            let rest = said[open.len()..].to_vec();
            self.enter(Phase::Thought);
            self.text = rest;
            return self.thought();
        }
        if open.starts_with(said) { Ok(free()) } else { self.say_again() }
    }

    fn thought(&mut self) -> Result<Commit> {
        let close = self.plan.writing.reasoning().close.as_bytes();
        let new = self.starts.last().copied().unwrap_or(0);
        let end = &self.text[new.saturating_sub(close.len())..];
        if !close.is_empty() && end.windows(close.len()).any(|window| window == close) {
            return self.say(true);
        }
        Ok(self.think())
    }

    /// Hands over to the grammar of calls where one begins, from its first byte on. One that is begun otherwise than the
    /// grammar writes it stays free.
    fn content(&mut self) -> Commit {
        let Some(triggers) = &self.plan.calls else { return free() };
        let Some(at) = triggers.find(&self.text, self.looked) else {
            self.looked = match self.looked {
                // JSON at the start is looked for as long as nothing else was said.
                0 if self.text.len() < 64 => 0,
                _ => self.text.len().saturating_sub(triggers.longest()).max(1),
            };
            return free();
        };
        self.looked = at + 1;
        // Back to a token that begins with a character.
        let from = (0..self.starts.len()).rev().filter(|&index| self.starts[index] <= at);
        let found =
            from.filter_map(|index| Some((index, std::str::from_utf8(&self.text[self.starts[index]..at]).ok()?)));
        let Some((index, before)) = { found }.next() else { return free() };
        let begun = || -> Result<(Box<dyn Constraint>, Commit)> {
            let mut calls = self.plan.call(before, None, false)?;
            let mut commit = calls.start()?;
            for &token in &self.tokens[index..] {
                commit = calls.commit(token)?;
            }
            Ok((calls, commit))
        };
        match begun() {
            Ok((calls, commit)) => {
                self.enter(Phase::Calls(calls));
                commit
            }
            Err(_) => free(),
        }
    }
}

impl Constraint for Reply {
    fn start(&mut self) -> Result<Commit> {
        if self.plan.writing.opens_thought() {
            self.enter(Phase::Thought);
            return Ok(self.think());
        }
        if self.plan.is_strict() { self.say(false) } else { Ok(free()) }
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        match &mut self.phase {
            Phase::Free => return Ok(free()),
            Phase::Calls(calls) => return calls.commit(token),
            Phase::Strict(either) => {
                let commit = either.commit(token)?;
                if !either.has_opened() {
                    self.tell();
                    return Ok(commit);
                }
                self.enter(Phase::Thought);
                return Ok(self.think());
            }
            _ => self.read(token),
        }
        match self.phase {
            Phase::Start => self.started(),
            Phase::Thought => self.thought(),
            _ => Ok(self.content()),
        }
    }

    /// A thought ends by its own closing text where something must come after it, and by no more than that.
    fn instead(&mut self, token: u32) -> Option<Commit> {
        let plan = &self.plan;
        if !matches!(self.phase, Phase::Thought) || plan.close.is_empty() {
            return None;
        }
        if plan.tokenizer.eog_ids().contains(&token) {
            return plan.is_strict().then(|| self.close());
        }
        let forced = if plan.is_strict() || plan.calls.is_some() { self.rest_of_close(token)? } else { return None };
        Some(Commit { forced, next: Next::Free })
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        match &mut self.phase {
            Phase::Strict(either) => either.mask(),
            Phase::Calls(calls) => calls.mask(),
            _ => Ok(Vec::new()),
        }
    }
}
