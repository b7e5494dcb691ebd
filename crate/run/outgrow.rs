//! A reply that outgrows the context and may shift it goes on: the oldest tokens leave its text, a quarter of the context at a
//! time, but for its beginning, and the cells of those behind them move up ([`shift`](crate::run::shift)).

use std::rc::Rc;

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::run::engine::Engine;
use crate::run::request::{Request, Shared};
use crate::run::shift::Gap;

/// Tokens at the beginning that stay at least: attention rests on the first ones, whatever they say (Xiao et al. 2024).
const SINKS: usize = 4;

impl Request {
    /// Which tokens leave a text that is too long for a context of so many: how many stay before them, and how many they are.
    fn oldest(&self, context: usize) -> Option<(usize, usize)> {
        let over = self.text.len().checked_sub(context).filter(|over| *over > 0)?;
        let count = over.next_multiple_of((context / 4).max(1)).min(self.text.len() - 1);
        // What stays is never most of the context, so that there is always something that can go.
        let keeps = self.keeps.max(SINKS).min(context / 2).min(self.text.len() - 1 - count);
        Some((keeps, count))
    }

    fn lose(&mut self, before: usize, count: usize) {
        self.text.drain(before..before + count);
        let of_prompt = self.prompt.saturating_sub(before).min(count);
        self.prompt -= of_prompt;
        self.gone[0] += of_prompt;
        self.gone[1] += count - of_prompt;
    }
}

impl Engine {
    /// Makes room in the texts that have become too long for the context.
    pub(super) async fn shorten_some(&mut self) -> Result<()> {
        let context = self.model.sizes.context as usize;
        // Each pass comes by here.
        let is_long = |request: &&Shared| request.borrow().text.len() > context;
        let long: Vec<Shared> = self.live.iter().filter(is_long).cloned().collect();
        for request in long {
            let oldest =
                Some(request.borrow()).filter(|it| it.shifts && it.is_ready()).and_then(|it| it.oldest(context));
            if let Some((before, count)) = oldest {
                self.shorten(&request, before, count).await?;
            }
        }
        Ok(())
    }

    async fn shorten(&mut self, request: &Shared, before: usize, count: usize) -> Result<()> {
        let (sequence, done) = (request.borrow().sequence, self.done(request));
        if let Some(id) = sequence {
            match done.checked_sub(before + count) {
                Some(behind) if behind > 0 => {
                    let cancel = if self.is_alone() { request.borrow().cancel.clone() } else { self.part() };
                    let gap = Gap { id, before, count, behind };
                    // Once begun it is done: else nothing of the text would be there any more.
                    while !self.cut(gap, &cancel, &Cancel::default()).await? {
                        let last = self.last_to_spare().unwrap_or_else(|| request.clone());
                        self.put_back(&last);
                        if Rc::ptr_eq(&last, request) {
                            break;
                        }
                    }
                }
                _ => drop(self.model.kv_mut().rewind(id, before as u32)),
            }
        }
        request.borrow_mut().lose(before, count);
        Ok(())
    }
}
