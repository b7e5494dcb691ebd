//! Given tokens, and what may follow them.

use crate::base::error::Result;
use crate::run::constraint::{Commit, Constraint, Next};

/// These tokens come; then what `after` lets come, or nothing more is known.
pub struct Fixed {
    tokens: Vec<u32>,
    /// So many are there.
    at: usize,
    after: Option<Box<dyn Constraint>>,
}

impl Fixed {
    /// At the end of the tokens it is whole.
    pub fn new(tokens: Vec<u32>) -> Fixed {
        Fixed { tokens, at: 0, after: None }
    }

    /// The tokens come before what `after` lets come.
    pub fn before(tokens: Vec<u32>, after: Box<dyn Constraint>) -> Box<dyn Constraint> {
        if tokens.is_empty() { after } else { Box::new(Fixed { tokens, at: 0, after: Some(after) }) }
    }

    fn rest(&mut self) -> Result<Commit> {
        match &mut self.after {
            Some(after) if self.at == self.tokens.len() => after.start(),
            _ => Ok(Commit { forced: self.tokens[self.at..].to_vec(), next: Next::End }),
        }
    }
}

impl Constraint for Fixed {
    fn start(&mut self) -> Result<Commit> {
        self.rest()
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        if self.at < self.tokens.len() {
            self.at += 1;
            return self.rest();
        }
        match &mut self.after {
            Some(after) => after.commit(token),
            None => self.rest(),
        }
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        match (self.tokens.get(self.at), &mut self.after) {
            (None, Some(after)) => after.mask(),
            (token, _) => Ok(token.map_or(Vec::new(), |&token| bit(token))),
        }
    }
}

/// A mask of one token.
fn bit(token: u32) -> Vec<u32> {
    let mut words = vec![0; token as usize / 32 + 1];
    words[token as usize / 32] = 1 << (token % 32);
    words
}
