//! A request under way, as the engine knows it: its text so far, and how its next token is chosen. Its generation reads what
//! was sampled for it; whoever asks first has a pass computed for all of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::model::adapter::Blend;
use crate::model::store::SequenceId;
use crate::run::constraint::{Constraint, Next};
use crate::run::decode::Sampled;
use crate::run::sampler::{Limits, SamplingParams};
use crate::run::schedule::Schedule;
use crate::run::speculate::{Guessed, Speculate};

/// A generation and the engine share it. Once only the engine has it, it is over.
pub(crate) type Shared = Rc<RefCell<Request>>;

/// A token that was sampled, and the logits it was chosen by where they are wanted: [n_vocab].
pub(crate) struct Chosen {
    pub sampled: Sampled,
    pub logits: Option<Vec<f32>>,
}

/// What the engine knows of a request.
pub(crate) struct Request {
    /// Prompt and reply so far.
    pub text: Vec<u32>,
    /// Tokens of it that are the prompt's.
    pub prompt: usize,
    /// Of the prompt and of the reply, tokens that left the text for others.
    pub gone: [usize; 2],
    /// Tokens that the reply may have.
    pub most: usize,
    /// The longest text, in tokens: a full context, and the one after it.
    pub longest: usize,
    pub sampling: SamplingParams,
    /// Tokens that end it.
    pub stops: Vec<u32>,
    /// The adapters that it is read with.
    pub blend: Blend,
    /// Nothing of another text is taken over.
    pub fresh: bool,
    /// It may outgrow the context.
    pub shifts: bool,
    /// It may go on with what was shifted for another.
    pub cut: bool,
    /// Tokens at its beginning that stay where it outgrows the context.
    pub keeps: usize,
    /// What is there may still be shifted for it, before it has cells.
    pub to_shift: bool,
    /// Its text stays when it is over.
    pub primes: bool,
    /// The logits of each token are wanted.
    pub logits: bool,
    pub constraint: Option<Box<dyn Constraint>>,
    /// What may come next, by the constraint.
    pub going: Next,
    /// A token after the text is wanted.
    pub wants: bool,
    /// Where its keys and values are; none while it waits in line for room.
    pub sequence: Option<SequenceId>,
    /// Tokens of its prompt that were there already.
    pub cached: usize,
    /// What comes after its text, until its generation reads it.
    pub chosen: Option<Result<Chosen>>,
    /// What comes after that, where guesses were right.
    pub ahead: VecDeque<Chosen>,
    /// So often others asked for a pass since it was there.
    pub passed: u32,
    /// What its place in a pass is to serve.
    pub schedule: Schedule,
    /// Its place in line: the lower, the earlier.
    pub priority: i32,
    /// Whether guesses are made, and those made so far.
    pub speculate: Speculate,
    pub guessed: Guessed,
    /// Ends it.
    pub cancel: Cancel,
    /// The pass that computed rows of it last.
    pub served: u64,
}

impl Request {
    /// Whether a pass can do something for it.
    pub fn is_ready(&self) -> bool {
        self.chosen.is_none() && self.ahead.is_empty() && !self.cancel.is_cancelled()
    }

    /// The end of what is to be computed of its text.
    pub fn end(&self) -> usize {
        if self.wants { self.text.len() } else { self.prompt }
    }

    /// Tokens of the reply so far.
    pub fn written(&self) -> usize {
        self.text.len() - self.prompt + self.gone[1]
    }

    /// Tokens that may still come before the text is its longest.
    pub fn left(&self) -> usize {
        self.most.saturating_sub(self.written()).min(self.longest.saturating_sub(self.text.len()))
    }

    /// What ends the sampling of the token after its text and so many guesses; `table` is where the batch has its cells.
    pub fn limits(&self, table: u32, guesses: usize) -> Limits {
        Limits {
            table,
            stops: self.stops.clone(),
            limit: (self.text.len() + self.left()) as u32,
            alone: self.logits,
            step: (self.written() + guesses) as u32,
            masked: self.going == Next::Masked,
        }
    }
}

/// Who says which tokens may come next, where not all may.
pub(crate) fn mask(constraint: &mut Option<Box<dyn Constraint>>, next: Next) -> Option<&mut dyn Constraint> {
    match (constraint, next) {
        (Some(constraint), Next::Masked) => Some(&mut **constraint),
        _ => None,
    }
}
