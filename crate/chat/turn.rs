//! The assistant's turn: what the pieces of replies to a chat become.

use super::parse::{Delta, Parser};
use super::reply::{
    ChatChoice, ChatCompletion, ChatCompletionChunk, ChatReplyMessage, ChoiceLogprobs, ChunkChoice, ChunkDelta,
    CompletionUsage, Finish, TokenLogprob,
};
use super::request::ChatRequest;
use super::session::{End, Event, Output, Piece};
use super::writing::Writing;
use crate::base::platform::random_seed;

/// The replies to one request.
pub struct ChatReplies {
    writing: Writing,
    /// Whether probabilities are told.
    likely: bool,
    /// Messages of the request that did not fit.
    dropped: Vec<usize>,
    /// Tokens that left the context, of which no chunk told yet.
    shifted: usize,
    /// In the order in which they began.
    replies: Vec<Reply>,
    /// Those that are over, by their place.
    choices: Vec<ChatChoice>,
    /// Tokens of thoughts, of the replies that are over.
    reasoning_tokens: usize,
}

/// A reply under way, as far as it is known.
struct Reply {
    message: ChatReplyMessage,
    logprobs: Vec<TokenLogprob>,
    parser: Parser,
}

impl ChatReplies {
    pub fn new(request: &ChatRequest, writing: Writing, dropped: Vec<usize>) -> Self {
        ChatReplies {
            writing,
            likely: request.logprobs == Some(true),
            dropped,
            shifted: 0,
            replies: Vec::new(),
            choices: Vec::new(),
            reasoning_tokens: 0,
        }
    }

    /// The next reply: its first chunk has the role.
    pub fn begin(&mut self, output: &Output, index: usize) -> Vec<Event> {
        let (message, parser) = (ChatReplyMessage::new(), self.writing.parser());
        self.replies.push(Reply { message, logprobs: Vec::new(), parser });
        if !output.streams {
            return Vec::new();
        }
        let delta = ChunkDelta { role: Some("assistant"), content: Some(String::new()), ..Default::default() };
        let dropped = if index == 0 { self.told_dropped() } else { None };
        vec![chunk(output, Some(choice(index, delta)), None, dropped)]
    }

    /// A piece of reply number `index`.
    pub fn add(&mut self, output: &Output, index: usize, piece: Piece) -> Vec<Event> {
        let Piece { text, logprobs, end, cut, shifted } = piece;
        self.shifted += shifted;
        let reply = &mut self.replies[index];
        let mut deltas = reply.parser.push(&text);
        if cut {
            reply.parser.cut();
        }
        if end.is_some() {
            deltas.extend(reply.parser.finish());
        }
        if !self.writing.parallel {
            deltas.retain(|delta| !matches!(delta, Delta::Call { index: 1.., .. }));
        }
        deltas.iter_mut().for_each(named);
        deltas.iter().for_each(|delta| reply.message.add(delta));
        reply.logprobs.extend_from_slice(&logprobs);
        let finish = end.map(|End { reason, details, ends }| {
            self.reasoning_tokens += reply.parser.thought_tokens(&ends);
            let calls = !reply.message.tool_calls.is_empty() && !reply.parser.is_broken();
            (Finish::of(reason, calls), details)
        });
        let mut events = Vec::new();
        if output.streams {
            if deltas.is_empty() && !logprobs.is_empty() {
                deltas.push(Delta::Content(String::new()));
            }
            let mut logprobs = Some(logprobs).filter(|list| !list.is_empty());
            for delta in deltas.into_iter().flat_map(apart) {
                let mut choice = choice(index, delta.into());
                choice.logprobs = logprobs.take().map(ChoiceLogprobs::of);
                events.push(chunk(output, Some(choice), None, None));
            }
            if let Some((reason, details)) = finish {
                let choice = choice(index, ChunkDelta::default());
                let choice = ChunkChoice { finish_reason: Some(reason), finish_details: details, ..choice };
                events.push(chunk(output, Some(choice), None, None));
            }
            if let Some(Event::Chunk(first)) = events.first_mut() {
                first.shifted = Some(std::mem::take(&mut self.shifted)).filter(|count| *count > 0);
            }
        }
        if let Some((finish_reason, finish_details)) = finish {
            self.choices.push(ChatChoice {
                index: index as u32,
                message: std::mem::take(&mut reply.message).finished(),
                logprobs: self.likely.then(|| ChoiceLogprobs::of(std::mem::take(&mut reply.logprobs))),
                finish_reason,
                finish_details,
            });
        }
        events
    }

    pub fn finish(&mut self, output: &Output, mut usage: CompletionUsage) -> Vec<Event> {
        usage.completion_tokens_details.reasoning_tokens = self.reasoning_tokens;
        if output.streams {
            let last = || chunk(output, None, Some(usage), None);
            return output.tells_usage.then(last).into_iter().collect();
        }
        self.choices.sort_by_key(|choice| choice.index);
        vec![Event::Completion(ChatCompletion {
            object: "chat.completion",
            head: output.head.clone(),
            choices: std::mem::take(&mut self.choices),
            usage: Some(usage),
            dropped: self.told_dropped(),
        })]
    }

    fn told_dropped(&self) -> Option<Vec<usize>> {
        Some(self.dropped.clone()).filter(|dropped| !dropped.is_empty())
    }
}

fn choice(index: usize, delta: ChunkDelta) -> ChunkChoice {
    ChunkChoice { index: index as u32, delta, logprobs: None, finish_reason: None, finish_details: None }
}

/// As OpenAI's API streams calls: id and name come before the first of the arguments, and no piece is empty.
fn apart(delta: Delta) -> Vec<Delta> {
    match delta {
        Delta::Call { index, id, name: Some(name), arguments } => {
            let first = Delta::Call { index, id, name: Some(name), arguments: String::new() };
            let rest = Delta::Call { index, id: None, name: None, arguments };
            std::iter::once(first).chain(apart(rest)).collect()
        }
        Delta::Call { arguments, .. } if arguments.is_empty() => Vec::new(),
        delta => vec![delta],
    }
}

/// Gives a call an id, where the model wrote none.
fn named(delta: &mut Delta) {
    if let Delta::Call { id: id @ None, name: Some(_), .. } = delta {
        *id = Some(format!("call_{:014x}", random_seed()));
    }
}

fn chunk(
    output: &Output,
    choice: Option<ChunkChoice>,
    usage: Option<CompletionUsage>,
    dropped: Option<Vec<usize>>,
) -> Event {
    let choices = choice.into_iter().collect();
    let head = output.head.clone();
    Event::Chunk(ChatCompletionChunk { object: "chat.completion.chunk", head, choices, usage, dropped, shifted: None })
}
