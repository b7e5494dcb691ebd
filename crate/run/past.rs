//! A reply that was under way on an engine that is gone goes on here: what was sampled for it is taken again, without computing
//! it; all that followed from that follows again, and the next token is sampled by its place in the reply.

use std::collections::VecDeque;

use crate::bail;
use crate::base::error::Result;
use crate::run::decode::Sampled;
use crate::run::engine::Engine;
use crate::run::request::{Chosen, mask};
use crate::run::session::{GenerateOptions, Generation};

/// What is to be taken again. `BadOption` for a token that the model does not know.
pub(super) fn read(options: &mut GenerateOptions, n_vocab: u32) -> Result<VecDeque<u32>> {
    let past = VecDeque::from(std::mem::take(&mut options.past));
    if let Some(token) = past.iter().find(|&&token| token >= n_vocab) {
        bail!(
            BadOption,
            "A reply cannot go on from token {token}: the vocabulary has {n_vocab}; give tokens of this model."
        );
    }
    Ok(past)
}

impl Generation {
    /// The tokens that were sampled since it was asked last: all that it was ever given makes [`GenerateOptions::past`] of a
    /// generation that goes on with this one's reply.
    pub fn take_sampled(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.sampled)
    }

    /// What comes next: what came before, or what is computed.
    pub(super) async fn take(&mut self, engine: &mut Engine) -> Result<Option<Chosen>> {
        if let Some(token) = self.past.pop_front() {
            self.apart = true;
            self.ask_mask()?;
            let stops = self.request.borrow().stops.contains(&token);
            return Ok(Some(Chosen { sampled: Sampled { token, stops }, logits: None }));
        }
        let chosen = self.choose(engine).await?;
        self.sampled.extend(chosen.iter().map(|chosen| chosen.sampled.token));
        Ok(chosen)
    }

    /// A constraint may go by its last mask.
    fn ask_mask(&self) -> Result<()> {
        let mut request = self.request.borrow_mut();
        let going = request.going;
        mask(&mut request.constraint, going).map_or(Ok(()), |constraint| constraint.mask().map(drop))
    }
}
