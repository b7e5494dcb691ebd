//! Completions: texts that go on as they are, and what the pieces of their replies become.

use std::collections::BTreeMap;

use super::reply::{
    Completion, CompletionChoice, CompletionLogprobs, CompletionUsage, Finish, TokenLogprob, TopLogprob,
};
use super::request::{CompletionRequest, PromptShape};
use super::session::{End, Event, Output, Piece};
use crate::bail;
use crate::base::error::Result;
use crate::run::engine::{Engine, Prompt};

/// The tokens of each prompt. `BadOption` for none, or a token that is not in the vocabulary.
pub fn prompts(engine: &Engine, request: &CompletionRequest) -> Result<Vec<Vec<u32>>> {
    let read = |text: &String| engine.encode(&Prompt::Raw(text.clone()));
    let prompts = match shape(request) {
        None => bail!(BadOption, "prompt should be text or token ids, or a list of either."),
        Some(PromptShape::Text(text)) => vec![read(&text)?],
        Some(PromptShape::Texts(texts)) => texts.iter().map(read).collect::<Result<_>>()?,
        Some(PromptShape::Ids(ids)) => vec![ids],
        Some(PromptShape::Lists(lists)) => lists,
    };
    let n_vocab = engine.model.net.n_vocab;
    if let Some(id) = prompts.iter().flatten().find(|&&id| id >= n_vocab) {
        bail!(BadOption, "prompt names token {id}, but the vocabulary has {n_vocab} tokens.");
    }
    Ok(prompts)
}

/// The prompts as they begin echoed replies.
pub fn texts(engine: &Engine, request: &CompletionRequest, prompts: &[Vec<u32>]) -> Vec<String> {
    match shape(request) {
        Some(PromptShape::Text(text)) => vec![text],
        Some(PromptShape::Texts(texts)) => texts,
        _ => prompts.iter().map(|ids| engine.tokenizer.decode(ids, true)).collect(),
    }
}

fn shape(request: &CompletionRequest) -> Option<PromptShape> {
    serde_json::from_value(request.prompt.clone()).ok()
}

/// The replies to one request.
pub struct TextReplies {
    /// What they begin with, by prompt; none where they do not.
    echoed: Vec<String>,
    /// Replies to each prompt.
    n: usize,
    /// In the order in which they began.
    replies: Vec<Reply>,
    /// Those that are over, by their place.
    choices: Vec<CompletionChoice>,
}

/// A reply under way, as far as it is known.
struct Reply {
    text: String,
    logprobs: Option<CompletionLogprobs>,
    /// Where its next token begins.
    offset: usize,
}

impl TextReplies {
    pub fn new(echoed: Vec<String>, n: usize) -> Self {
        TextReplies { echoed, n, replies: Vec::new(), choices: Vec::new() }
    }

    pub fn begin(&mut self, output: &Output, index: usize) -> Vec<Event> {
        let text = self.echoed.get(index / self.n).cloned().unwrap_or_default();
        let offset = text.encode_utf16().count();
        self.replies.push(Reply { text: text.clone(), logprobs: None, offset });
        // Without an echo, too: so a caller learns that the request was taken.
        if output.streams { vec![answer(output, vec![choice(index, text, None)], None)] } else { Vec::new() }
    }

    /// A piece of reply number `index`.
    pub fn add(&mut self, output: &Output, index: usize, piece: Piece) -> Vec<Event> {
        let Piece { text, logprobs, end, .. } = piece;
        let reply = &mut self.replies[index];
        reply.text.push_str(&text);
        let listed = (!logprobs.is_empty()).then(|| reply.list(&logprobs));
        let shows = !text.is_empty() || listed.is_some() || end.is_some();
        let finish = end.map(|End { reason, details, .. }| (Finish::of(reason, false), details));
        let mut events = Vec::new();
        if output.streams && shows {
            let mut choice = choice(index, text, listed);
            if let Some((reason, details)) = finish {
                (choice.finish_reason, choice.finish_details) = (Some(reason), details);
            }
            events.push(answer(output, vec![choice], None));
        } else if let Some(more) = listed {
            let all = reply.logprobs.get_or_insert_default();
            all.tokens.extend(more.tokens);
            all.token_logprobs.extend(more.token_logprobs);
            all.top_logprobs.extend(more.top_logprobs);
            all.text_offset.extend(more.text_offset);
        }
        if let Some((reason, details)) = finish {
            let choice = choice(index, std::mem::take(&mut reply.text), reply.logprobs.take());
            self.choices.push(CompletionChoice { finish_reason: Some(reason), finish_details: details, ..choice });
        }
        events
    }

    pub fn finish(&mut self, output: &Output, usage: CompletionUsage) -> Vec<Event> {
        if output.streams {
            return output.tells_usage.then(|| answer(output, Vec::new(), Some(usage))).into_iter().collect();
        }
        self.choices.sort_by_key(|choice| choice.index);
        vec![answer(output, std::mem::take(&mut self.choices), Some(usage))]
    }
}

impl Reply {
    fn list(&mut self, logprobs: &[TokenLogprob]) -> CompletionLogprobs {
        let mut listed = CompletionLogprobs::default();
        for TokenLogprob { token, top_logprobs } in logprobs {
            listed.text_offset.push(self.offset);
            self.offset += token.token.encode_utf16().count();
            listed.tokens.push(name(token));
            listed.token_logprobs.push(token.logprob);
            let mut top = BTreeMap::new();
            for other in top_logprobs {
                // Of two tokens that look alike the likelier is told.
                top.entry(name(other)).or_insert(other.logprob);
            }
            listed.top_logprobs.push(top);
        }
        listed
    }
}

fn choice(index: usize, text: String, logprobs: Option<CompletionLogprobs>) -> CompletionChoice {
    CompletionChoice { index: index as u32, text, logprobs, finish_reason: None, finish_details: None }
}

/// A token's text; `bytes:\xe2\x82`, as in OpenAI's API, where it is part of a character.
fn name(token: &TopLogprob) -> String {
    match std::str::from_utf8(&token.bytes) {
        Ok(text) => text.into(),
        Err(_) => token.bytes.iter().fold("bytes:".into(), |all, byte| format!("{all}\\x{byte:02x}")),
    }
}

fn answer(output: &Output, choices: Vec<CompletionChoice>, usage: Option<CompletionUsage>) -> Event {
    Event::Text(Completion { object: "text_completion", head: output.head.clone(), choices, usage })
}
