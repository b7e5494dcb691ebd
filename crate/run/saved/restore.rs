//! Into the cache again: nothing before its hash was compared.

use std::vec::IntoIter;

use xxhash_rust::xxh64::Xxh64;

use super::{About, HASH, MAGIC, Part, damaged, parts, stale};
use crate::bail;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::kernels::cell::BLOCK;
use crate::model::store::SequenceId;
use crate::run::engine::Engine;

/// Bytes of the description at most.
const LONGEST: usize = 1 << 20;
/// Bytes that are given to the device before it is waited for.
const DRAIN_EVERY: u64 = 16 << 20;

/// A text on its way in. Until all of it is there, no prompt finds it.
pub struct Restorer {
    /// Bytes that are no whole piece yet.
    waiting: Vec<u8>,
    hash: Xxh64,
    state: State,
    undrained: u64,
}

enum State {
    Head,
    Tokens(About),
    Cells(Box<Cells>),
}

struct Cells {
    sequence: SequenceId,
    tokens: Vec<u32>,
    shifted: Option<u32>,
    next: Option<Part>,
    parts: IntoIter<Part>,
}

impl Default for Restorer {
    fn default() -> Self {
        Restorer { waiting: Vec::new(), hash: Xxh64::new(0), state: State::Head, undrained: 0 }
    }
}

impl Restorer {
    /// The next bytes, in pieces of any size. Others' texts may go for this one, but for those of requests under way.
    ///
    /// Errors: `StaleSession` where this engine cannot use it, `DamagedSession` where it is not as it was written, `Disposed`
    /// where requests under way need its room; else as the device fails. After an error [`Restorer::drop_from`] is all that is left to do.
    pub async fn push(&mut self, bytes: &[u8], engine: &mut Engine) -> Result<()> {
        self.waiting.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(piece) = self.piece(at)? {
            self.take(at, piece, engine)?;
            at += piece + HASH;
        }
        self.waiting.drain(..at);
        if self.undrained >= DRAIN_EVERY {
            self.undrained = 0;
            engine.device.idle().await?;
        }
        Ok(())
    }

    /// The text is there: how many tokens it has. `DamagedSession` where some of it did not come, or more than all.
    pub async fn finish(&mut self, engine: &mut Engine) -> Result<usize> {
        let State::Cells(cells) = &mut self.state else { return Err(damaged()) };
        if cells.next.is_some() || !self.waiting.is_empty() {
            return Err(damaged());
        }
        engine.device.idle().await?;
        let store = engine.model.kv_mut();
        store.get(cells.sequence)?;
        store.push(cells.sequence, &cells.tokens);
        store.mark_shifted(cells.sequence, cells.shifted);
        store.touch(cells.sequence);
        Ok(cells.tokens.len())
    }

    /// What has come of it is forgotten.
    pub fn drop_from(self, engine: &mut Engine) {
        if let State::Cells(cells) = self.state {
            engine.close(cells.sequence);
        }
    }

    /// The bytes, without their hash, of the whole piece that begins at `at` of those that wait.
    fn piece(&self, at: usize) -> Result<Option<usize>> {
        let waiting = &self.waiting[at..];
        let bytes = match &self.state {
            State::Head => {
                let known = waiting.len().min(MAGIC.len());
                if waiting[..known] != MAGIC[..known] {
                    return Err(damaged());
                }
                let Some(length) = waiting[known..].first_chunk() else { return Ok(None) };
                let length = u32::from_le_bytes(*length) as usize;
                if length > LONGEST {
                    return Err(damaged());
                }
                MAGIC.len() + 4 + length
            }
            State::Tokens(about) => about.tokens as usize * 4,
            State::Cells(cells) => match &cells.next {
                Some(part) => part.bytes as usize,
                None => return Ok(None),
            },
        };
        Ok(Some(bytes).filter(|bytes| waiting.len() >= bytes + HASH))
    }

    fn take(&mut self, at: usize, length: usize, engine: &mut Engine) -> Result<()> {
        let (bytes, hash) = (&self.waiting[at..at + length], &self.waiting[at + length..at + length + HASH]);
        self.hash.update(bytes);
        if self.hash.digest().to_le_bytes() != hash {
            return Err(damaged());
        }
        match &mut self.state {
            State::Head => {
                let about = serde_json::from_slice(&bytes[MAGIC.len() + 4..]);
                let about: About = about.map_err(|_| stale("by another version of Sotto"))?;
                about.check(engine)?;
                if about.tokens == 0 || about.near.is_some_and(|near| near > about.tokens) {
                    return Err(damaged());
                }
                self.state = State::Tokens(about);
            }
            State::Tokens(about) => {
                let tokens: Vec<u32> =
                    bytes.as_chunks().0.iter().map(|token: &[u8; 4]| u32::from_le_bytes(*token)).collect();
                if tokens.iter().any(|&token| token >= engine.model.net.n_vocab) {
                    return Err(damaged());
                }
                let sequence = open(engine, about.tokens)?;
                let store = engine.model.kv_mut();
                store.suppose(sequence, about.tokens, &mut engine.device)?;
                store.forget_near_before(sequence, about.near.unwrap_or(0));
                let mut parts = parts(store, about.tokens, about.near);
                self.state = State::Cells(Box::new(Cells {
                    sequence,
                    tokens,
                    shifted: about.shifted,
                    next: parts.next(),
                    parts,
                }));
            }
            State::Cells(cells) => {
                let Some(part) = cells.next.take() else { return Err(damaged()) };
                let mut rest = bytes;
                for (at, length) in part.stretches(engine.model.kv(), cells.sequence, cells.tokens.len() as u32)? {
                    let (these, others) = rest.split_at(length as usize);
                    engine.device.write(part.buffer, at, these);
                    rest = others;
                }
                self.undrained += part.bytes;
                cells.next = cells.parts.next();
            }
        }
        Ok(())
    }
}

/// A sequence for so many tokens, in what requests under way leave.
fn open(engine: &mut Engine, tokens: u32) -> Result<SequenceId> {
    engine.purge();
    if engine.live.is_empty() {
        return engine.open(tokens);
    }
    let (running, _) = engine.under_way();
    let store = engine.model.kv_mut();
    let has_cells = store.spare() >= tokens.next_multiple_of(BLOCK) && store.has_near_for(Some(tokens));
    if !has_cells || !store.has_states_for(running + 1) {
        bail!(Disposed, "The replies under way leave no room for the saved session; restore it once they are over.");
    }
    store.open(tokens, &mut engine.device)
}
