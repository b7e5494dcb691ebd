//! One request under way: its replies side by side, each a generation, and what they become.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::constrain::Plan;
use super::fit::{self, Fitted};
use super::grammar::Grammars;
use super::parse::Checks;
use super::reply::{
    ChatCompletion, ChatCompletionChunk, Completion, CompletionUsage, FinishDetails, Head, Limit, TokenLogprob,
    TopLogprob,
};
use super::request::{ChatRequest, Common, CompletionRequest, Overflow};
use super::text::{self, TextReplies};
use super::turn::ChatReplies;
use super::writing::Writing;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform;
use crate::run::engine::Engine;
use crate::run::session::{FinishReason, GenerateOptions, Generation, Step};
use crate::run::timings::Timings;
use crate::text::tokenizer::Tokenizer;

/// Tokens at the end of a prompt by which a reply's parser sees what that has opened.
const PROMPT_END: usize = 64;

/// Replies of a request that are under way at a time.
const AT_ONCE: usize = 16;

/// What a step of a request gives.
#[derive(Clone, Debug)]
pub enum Event {
    /// Prompt tokens computed so far.
    Progress {
        /// So many.
        done: usize,
        /// Of all.
        total: usize,
    },
    /// Of a streamed chat.
    Chunk(ChatCompletionChunk),
    /// Of a chat that is not streamed: the last event.
    Completion(ChatCompletion),
    /// Of a completion, a piece or the whole.
    Text(Completion),
}

/// Ends a request from elsewhere, also in the middle of a step.
#[derive(Clone, Debug, Default)]
pub struct Stop(Rc<RefCell<(bool, Vec<Cancel>)>>);

impl Stop {
    /// The replies under way end with what there is of them, and no other begins.
    pub fn stop(&self) {
        let mut state = self.0.borrow_mut();
        state.0 = true;
        state.1.iter().for_each(Cancel::cancel);
    }

    fn is_stopped(&self) -> bool {
        self.0.borrow().0
    }

    /// From now on it ends this work too.
    fn is_for(&self, work: &Cancel) {
        self.0.borrow_mut().1.push(work.clone());
        if self.is_stopped() {
            work.cancel();
        }
    }
}

/// How a request wants its answer.
pub(super) struct Output {
    pub head: Head,
    pub streams: bool,
    /// A streamed answer ends with its usage.
    pub tells_usage: bool,
}

/// What one step adds to a reply.
pub(super) struct Piece {
    pub text: String,
    pub logprobs: Vec<TokenLogprob>,
    /// Of the last.
    pub end: Option<End>,
    /// It ends otherwise than the model ends replies.
    pub cut: bool,
    /// Tokens that left the context for it.
    pub shifted: usize,
}

/// The end of a reply.
pub(super) struct End {
    pub reason: FinishReason,
    pub details: Option<FinishDetails>,
    /// Where in its text each of its tokens ends.
    pub ends: Vec<usize>,
}

enum Kind {
    Chat(Box<ChatReplies>),
    Text(TextReplies),
}

impl Kind {
    fn begin(&mut self, output: &Output, index: usize) -> Vec<Event> {
        match self {
            Kind::Chat(replies) => replies.begin(output, index),
            Kind::Text(replies) => replies.begin(output, index),
        }
    }

    fn add(&mut self, output: &Output, index: usize, piece: Piece) -> Vec<Event> {
        match self {
            Kind::Chat(replies) => replies.add(output, index, piece),
            Kind::Text(replies) => replies.add(output, index, piece),
        }
    }

    fn finish(&mut self, output: &Output, usage: CompletionUsage) -> Vec<Event> {
        match self {
            Kind::Chat(replies) => replies.finish(output, usage),
            Kind::Text(replies) => replies.finish(output, usage),
        }
    }
}

/// A reply under way.
struct Reply {
    index: usize,
    generation: Generation,
    /// Tokens of it whose probabilities were told, and tokens of which was told that they left the context.
    told: usize,
    shifted: usize,
}

/// A request, whatever its kind.
pub struct Session {
    output: Output,
    kind: Kind,
    options: GenerateOptions,
    /// What its replies must be.
    plan: Option<Rc<Plan>>,
    /// The tokens of each: a chat has one.
    prompts: Vec<Vec<u32>>,
    /// Replies to each.
    n: usize,
    /// Of each reply, by its index: what was sampled for it before, on an engine that is gone.
    past: BTreeMap<usize, Vec<u32>>,
    /// Tokens that were sampled since someone asked, with their replies' indices.
    sampled: Vec<(usize, u32)>,
    /// Replies that have begun.
    begun: usize,
    /// Those under way; the one that is asked next is the first.
    replies: VecDeque<Reply>,
    /// Events that the next step gives.
    pending: Vec<Event>,
    usage: CompletionUsage,
    stop: Stop,
    over: bool,
}

impl Session {
    /// Checks the request and begins its replies; nothing is computed yet. Without `grammars`, what only they can keep
    /// is refused, and calls are as the model writes them.
    ///
    /// Errors: `BadOption` for what cannot be done; those of the template and the context.
    pub fn chat(engine: &mut Engine, request: &ChatRequest, grammars: Option<Rc<dyn Grammars>>) -> Result<Session> {
        let mut options = request.options(&engine.sampling)?;
        let wanted = request.wanted()?;
        wanted.check(grammars.is_some())?;
        let mut writing = Writing::of(engine, request)?;
        if let Some(grammars) = grammars.clone() {
            writing.checks = Checks::by(move |schema, text| grammars.fits(schema, text));
        }
        options.keep_special = writing.reads_special(&engine.tokenizer);
        let overflow = request.sotto.overflow;
        options.shifts = overflow == Overflow::Shift;
        let Fitted { tokens, dropped, keeps } =
            fit::fit(engine, &request.messages, &writing, overflow, options.max_tokens)?;
        options.keeps = keeps;
        // Of a text that is whole nothing else may remember anything.
        options.cut = options.shifts && !dropped.is_empty();
        let end = &tokens[tokens.len().saturating_sub(PROMPT_END)..];
        writing.prompt = engine.tokenizer.decode(end, true);
        let plan = Plan::new(wanted, &writing, &engine.tokenizer, grammars)?;
        let replies = ChatReplies::new(request, writing, dropped);
        Session::new(engine, Kind::Chat(Box::new(replies)), &request.common, options, plan, vec![tokens])
    }

    /// As [`Session::chat`].
    pub fn completion(engine: &mut Engine, request: &CompletionRequest) -> Result<Session> {
        let options = request.options(&engine.sampling)?;
        let prompts = text::prompts(engine, request)?;
        let echoed = if request.echo == Some(true) { text::texts(engine, request, &prompts) } else { Vec::new() };
        let replies = TextReplies::new(echoed, request.common.n.unwrap_or(1) as usize);
        Session::new(engine, Kind::Text(replies), &request.common, options, None, prompts)
    }

    fn new(
        engine: &mut Engine,
        kind: Kind,
        common: &Common,
        options: GenerateOptions,
        plan: Option<Rc<Plan>>,
        prompts: Vec<Vec<u32>>,
    ) -> Result<Session> {
        let name = match kind {
            Kind::Chat(_) => "chatcmpl",
            Kind::Text(_) => "cmpl",
        };
        let head = Head {
            id: format!("{name}-{:014x}", platform::random_seed()),
            created: platform::unix_time(),
            model: engine.name.clone(),
            system_fingerprint: Some(concat!("sotto-", env!("CARGO_PKG_VERSION")).into()),
        };
        // What is told of tokens that are not computed again is told already, where it was streamed.
        let goes_on = common.streams() || options.logprobs.is_none();
        let mut session = Session {
            output: Output { head, streams: common.streams(), tells_usage: common.tells_usage() },
            kind,
            options,
            plan,
            prompts,
            n: common.n.unwrap_or(1) as usize,
            past: if goes_on { common.past.clone() } else { BTreeMap::new() },
            sampled: Vec::new(),
            begun: 0,
            replies: VecDeque::new(),
            pending: Vec::new(),
            usage: CompletionUsage::default(),
            stop: Stop::default(),
            over: false,
        };
        session.begin(engine)?;
        Ok(session)
    }

    /// What ends it.
    pub fn stop_handle(&self) -> &Stop {
        &self.stop
    }

    /// The tokens that were sampled since it was asked last, each with its reply's index. All that it was ever given makes
    /// [`Common::past`] of a request that goes on with these replies.
    pub fn take_sampled(&mut self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.sampled)
    }

    /// What happened next: often nothing that shows. `None` after the end; after an error, too, there is nothing more.
    pub async fn next(&mut self, engine: &mut Engine) -> Result<Option<Vec<Event>>> {
        if self.over {
            return Ok(None);
        }
        let events = self.step(engine).await;
        if events.is_err() {
            self.over = true;
            self.replies.clear();
        }
        events.map(Some)
    }

    async fn step(&mut self, engine: &mut Engine) -> Result<Vec<Event>> {
        if !self.pending.is_empty() {
            return Ok(std::mem::take(&mut self.pending));
        }
        let Some(mut reply) = self.replies.pop_front() else {
            self.over = true;
            return Ok(self.kind.finish(&self.output, self.usage));
        };
        let step = reply.generation.next(engine).await?;
        self.sampled.extend(reply.generation.take_sampled().into_iter().map(|token| (reply.index, token)));
        match step {
            Some(Step::Waiting) => {
                self.replies.push_back(reply);
                Ok(Vec::new())
            }
            Some(Step::Prefill { done, total }) => {
                self.replies.push_back(reply);
                Ok(vec![Event::Progress { done, total }])
            }
            Some(Step::Token { text, .. }) => {
                let events = self.add(&engine.tokenizer, &mut reply, text, None);
                self.replies.push_back(reply);
                Ok(events)
            }
            Some(Step::End { reason, text, .. }) => {
                let mut events = self.add(&engine.tokenizer, &mut reply, text, Some(reason));
                self.end(&reply);
                self.begin(engine)?;
                if self.replies.is_empty() && self.pending.is_empty() {
                    self.over = true;
                    events.extend(self.kind.finish(&self.output, self.usage));
                }
                Ok(events)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The next replies, as many as may be under way.
    fn begin(&mut self, engine: &mut Engine) -> Result<()> {
        while self.begun < self.prompts.len() * self.n && self.replies.len() < AT_ONCE && !self.stop.is_stopped() {
            let index = self.begun;
            let mut options = self.options.clone();
            options.sampling.seed = options.sampling.seed.wrapping_add((index % self.n) as u64);
            options.past = self.past.remove(&index).unwrap_or_default();
            options.again = !index.is_multiple_of(self.n);
            let prompt = self.prompts[index / self.n].clone();
            let constraint = self.plan.as_ref().map(Plan::reply);
            let generation = Generation::constrained(engine, prompt, options, constraint)?;
            self.stop.is_for(generation.cancel_handle());
            self.replies.push_back(Reply { index, generation, told: 0, shifted: 0 });
            self.pending.extend(self.kind.begin(&self.output, index));
            self.begun += 1;
        }
        Ok(())
    }

    fn add(
        &mut self,
        tokenizer: &Tokenizer,
        Reply { index, generation, told: so_far, shifted: so_many }: &mut Reply,
        text: String,
        reason: Option<FinishReason>,
    ) -> Vec<Event> {
        let ends = |token: &u32| tokenizer.eog_ids().contains(token) || self.options.stop_tokens.contains(token);
        let logprobs = generation.logprobs.get(*so_far..).unwrap_or_default();
        *so_far += logprobs.len();
        let logprobs = logprobs.iter().filter(|at| !ends(&at.token)).map(|at| TokenLogprob {
            token: told(tokenizer, (at.token, at.logprob)),
            top_logprobs: at.top.iter().map(|&top| told(tokenizer, top)).collect(),
        });
        let full = || {
            let limited = self.options.max_tokens.is_some_and(|most| generation.tokens.len() >= most as usize);
            if limited { Limit::MaxTokens } else { Limit::ContextFull }
        };
        let end = reason.map(|reason| {
            let details = (reason == FinishReason::Length).then(|| FinishDetails { r#type: full() });
            End { reason, details, ends: generation.ends.clone() }
        });
        let cut = reason.is_some_and(|reason| reason != FinishReason::Stop) || generation.stopped;
        let shifted = generation.timings.shifted_tokens - *so_many;
        *so_many += shifted;
        let piece = Piece { text, logprobs: logprobs.collect(), end, cut, shifted };
        self.kind.add(&self.output, *index, piece)
    }

    /// A reply is over.
    fn end(&mut self, Reply { index, generation, .. }: &Reply) {
        let usage = &mut self.usage;
        if index.is_multiple_of(self.n) {
            usage.prompt_tokens += generation.prompt.len();
            usage.prompt_tokens_details.cached_tokens += generation.timings.cached_tokens;
        }
        usage.completion_tokens += generation.tokens.len();
        let Timings { drafted_tokens, accepted_tokens, shifted_tokens, .. } = generation.timings;
        usage.shifted_tokens = Some(usage.shifted_tokens.unwrap_or(0) + shifted_tokens).filter(|count| *count > 0);
        usage.completion_tokens_details.accepted_prediction_tokens += accepted_tokens;
        usage.completion_tokens_details.rejected_prediction_tokens += drafted_tokens - accepted_tokens;
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
    }
}

fn told(tokenizer: &Tokenizer, (token, logprob): (u32, f64)) -> TopLogprob {
    let bytes = tokenizer.token_bytes(token).unwrap_or_default();
    TopLogprob { token: String::from_utf8_lossy(&bytes).into_owned(), bytes, logprob }
}
