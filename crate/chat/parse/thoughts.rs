//! Where thoughts stood in a reply, for those who count their tokens.

use super::Parser;

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

    /// Where in the text that was pushed `held` begins.
    pub(super) fn place(&self) -> usize {
        (self.ghost + self.read).saturating_sub(self.held.len())
    }
}
