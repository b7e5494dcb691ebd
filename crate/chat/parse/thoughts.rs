//! Thoughts: what of a reply is one, and where it stood, for those who count its tokens.

use super::{Delta, Held, Parser, push};

/// Stretches of the text that was pushed, [start, end) in bytes: what came out of each thought, and what is within that.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    found: Vec<(usize, usize)>,
    /// The last goes on.
    open: bool,
}

impl Thoughts {
    /// More of the thought under way.
    pub fn add(&mut self, start: usize, end: usize) {
        match self.found.last_mut().filter(|_| self.open) {
            Some(last) => last.1 = end,
            None => self.found.push((start, end)),
        }
        self.open = true;
    }

    /// It is over.
    pub fn close(&mut self) {
        self.open = false;
    }
}

impl Parser {
    /// How many of a reply's tokens hold something of a thought. The texts that open and close it, and the white space beside
    /// these, are none of it, whoever wrote them. `ends`: where in the text that was pushed each token ends; one that ends
    /// where it begins is a part of the character that follows.
    pub fn thought_tokens(&self, ends: &[usize]) -> usize {
        let is_thought = |start: usize, end: usize| {
            self.thoughts
                .found
                .iter()
                .any(|&(first, last)| start < last && (end > first || (end == start && start >= first)))
        };
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).filter(|&(start, &end)| is_thought(start, end)).count()
    }

    /// More of the thought under way, up to its end. `false` where nothing can be done before more text comes.
    pub(super) fn thought(&mut self, end: bool, out: &mut Vec<Delta>) -> bool {
        if self.trims || self.blank {
            self.held.drain(..self.held.len() - self.held.trim_start().len());
            // Some models write the tag that the prompt has already.
            let open = self.reasoning.open.trim();
            if self.held.starts_with(open) {
                self.held.drain(..open.len());
                return true;
            }
            if !end && open.starts_with(&self.held) {
                return false;
            }
        }
        if let Some(at) = self.held.find(&self.reasoning.close) {
            let text = self.held[..at].trim_end().to_string();
            if !text.is_empty() {
                let start = self.place();
                self.thoughts.add(start, start + text.len());
                push(out, Delta::Reasoning(std::mem::take(&mut self.space) + &text));
            }
            self.space.clear();
            self.held.drain(..at + self.reasoning.close.len());
            self.thoughts.close();
            (self.thinking, self.blank, self.trims, self.has_thought) = (false, true, true, true);
            return true;
        }
        let close = &self.reasoning.close;
        let longest = self.held.len().min(close.len().saturating_sub(1));
        let keep = (1..=longest).rev().find(|&n| self.held.as_bytes().ends_with(&close.as_bytes()[..n])).unwrap_or(0);
        let start = self.place();
        let closes = !end || (self.cut && self.held_to.get() == Held::Closing);
        let rest = self.held.split_off(self.held.len() - if closes { keep } else { 0 });
        let text = std::mem::replace(&mut self.held, rest);
        let shown = text.trim_end();
        if shown.is_empty() {
            self.space += &text;
        } else {
            self.thoughts.add(start, start + shown.len());
            push(out, Delta::Reasoning(std::mem::take(&mut self.space) + shown));
            self.space = text[shown.len()..].to_string();
            (self.trims, self.blank) = (false, false);
        }
        false
    }

    /// Where in the text that was pushed `held` begins.
    fn place(&self) -> usize {
        (self.ghost + self.read).saturating_sub(self.held.len())
    }
}
