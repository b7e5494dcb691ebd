//! What a reply may go on with, where that is not the model's choice alone: a grammar, or a limit of its thoughts.

use crate::base::error::Result;

/// How a reply goes on after a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// These come next, whatever the model would say: they are appended without being sampled.
    pub forced: Vec<u32>,
    /// And after those?
    pub next: Next,
}

/// What may come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Any token: several may be computed ahead.
    #[default]
    Free,
    /// What [`Constraint::mask`] allows.
    Masked,
    /// Nothing: the reply is whole.
    End,
}

/// Decides token by token what a reply may be. It sees every token of it, those that it forced included.
pub trait Constraint {
    /// Before the first token.
    fn start(&mut self) -> Result<Commit>;

    /// A token was taken; of forced ones each is told too, and what that returns is left unread but for the last.
    fn commit(&mut self, token: u32) -> Result<Commit>;

    /// A token was chosen where any may be: what comes in its place, if the reply may not go on by it, or end.
    fn instead(&mut self, _token: u32) -> Option<Commit> {
        None
    }

    /// Which tokens may come next: bit `id % 32` of word `id / 32`, [n_vocab / 32, rounded up]. Tokens that end a reply
    /// are among them where it may end here. It is asked for while the device computes the logits.
    fn mask(&mut self) -> Result<Vec<u32>>;
}
