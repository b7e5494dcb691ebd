//! One of several constraints: all that are still possible are followed side by side.

use crate::bail;
use crate::base::error::Result;
use crate::run::constraint::{Commit, Constraint, Next};

/// What a way leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The start of a thought.
    Thought,
    /// The reply itself.
    Content,
    /// A call.
    Call,
}

struct Way {
    kind: Kind,
    constraint: Box<dyn Constraint>,
    /// What it allowed when it was asked last.
    mask: Vec<u32>,
    next: Next,
}

/// The ways that a reply may take.
pub struct Either(Vec<Way>);

impl Either {
    /// Of two that allow the same token both go on.
    pub fn new(ways: Vec<(Kind, Box<dyn Constraint>)>) -> Either {
        let way = |(kind, constraint)| Way { kind, constraint, mask: Vec::new(), next: Next::Masked };
        Either(ways.into_iter().map(way).collect())
    }

    /// What it can be alone, if it is decided.
    pub fn kind(&self) -> Option<Kind> {
        let first = self.0.first()?.kind;
        self.0.iter().all(|way| way.kind == first).then_some(first)
    }

    /// Whether a thought has begun: its opening text is whole, and there is no other way.
    pub fn has_opened(&self) -> bool {
        matches!(&self.0[..], [Way { kind: Kind::Thought, next: Next::End, .. }])
    }

    /// What all ways together say of what comes next. Of several none can force a token.
    fn together(&self, mut commits: Vec<Commit>) -> Commit {
        match commits.len() {
            1 => commits.remove(0),
            _ if commits.iter().all(|commit| commit.next == Next::End && commit.forced.is_empty()) => {
                Commit { forced: Vec::new(), next: Next::End }
            }
            _ => Commit { forced: Vec::new(), next: Next::Masked },
        }
    }
}

impl Constraint for Either {
    fn start(&mut self) -> Result<Commit> {
        let commits = self.0.iter_mut().map(|way| way.constraint.start()).collect::<Result<_>>()?;
        Ok(self.together(commits))
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        if self.0.len() > 1 {
            let allows =
                |way: &Way| way.mask.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1);
            self.0.retain(allows);
        }
        if self.0.is_empty() {
            bail!(Internal, "Token {token} came where none of what the reply may be allows it.");
        }
        let mut commits = Vec::with_capacity(self.0.len());
        for way in &mut self.0 {
            let commit = way.constraint.commit(token)?;
            way.next = if commit.forced.is_empty() { commit.next } else { Next::Masked };
            commits.push(commit);
        }
        Ok(self.together(commits))
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        let mut all: Vec<u32> = Vec::new();
        for way in &mut self.0 {
            way.mask = way.constraint.mask()?;
            all.resize(all.len().max(way.mask.len()), 0);
            all.iter_mut().zip(&way.mask).for_each(|(all, word)| *all |= word);
        }
        Ok(all)
    }
}
