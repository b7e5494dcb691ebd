//! A reply that a grammar holds to something: it is read by what the grammar has taken it for, not by what it looks like.

use super::{Delta, Parser, push};

/// What the reply under way is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// Nothing: it is what it looks like.
    #[default]
    Nothing,
    /// It may still be a text of the caller's form, a thought, or a call.
    Undecided,
    /// The closing text of a thought comes, whatever the model would say.
    Closing,
    /// What begins a call is one.
    Calls,
    /// All of it is content, down to its white space.
    Text {
        /// It stands behind a thought.
        after_thought: bool,
    },
}

impl Parser {
    /// No more comes, though the model has not ended: what is the start of a call is no content.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether a call came out that is not whole.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the reply goes on as a text that is content whatever it looks like.
    pub(super) fn is_verbatim(&self) -> bool {
        matches!(self.held_to.get(), Held::Text { after_thought } if after_thought == self.has_thought)
    }

    /// All that is held is content, behind the markup that stands before a reply.
    pub(super) fn verbatim(&mut self, out: &mut Vec<Delta>) {
        self.drain(self.ghost);
        if let Some(lead) = self.leads[usize::from(self.has_thought)].take() {
            if self.held.len() < lead.len() && lead.starts_with(&self.held) {
                self.leads[usize::from(self.has_thought)] = Some(lead);
                return;
            }
            if self.held.starts_with(&lead) {
                self.drain(lead.len());
            }
        }
        self.space.clear();
        if !self.held.is_empty() {
            (self.started, self.blank, self.trims) = (true, false, false);
            push(out, Delta::Content(std::mem::take(&mut self.held)));
        }
    }

    /// What is held is the start of a call that no more comes of: it is not shown.
    pub(super) fn breaks_off(&self, end: bool) -> bool {
        end && self.cut && self.held_to.get() == Held::Calls
    }
}
