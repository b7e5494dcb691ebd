//! Out of the cache: part by part.

use std::vec::IntoIter;

use xxhash_rust::xxh64::Xxh64;

use super::{About, MAGIC, Part, parts};
use crate::bail;
use crate::base::error::Result;
use crate::model::store::{Sequence, SequenceId};
use crate::run::engine::Engine;

/// Tokens behind a cut that tell where in the text it ends.
const MARK: usize = 16;

/// A text on its way out.
pub struct Saver {
    sequence: SequenceId,
    tokens: Vec<u32>,
    hash: Xxh64,
    /// Before the first is written.
    about: Option<About>,
    parts: IntoIter<Part>,
}

impl Saver {
    /// As much of the beginning of a text as the cache has of it, read without adapters; none where it has nothing. Of a model
    /// with recurrent layers that is as far as a state is kept. Of a text that outgrew its context it is what is left, without
    /// what was cut out.
    pub fn new(engine: &Engine, text: &[u32]) -> Option<Saver> {
        let store = engine.model.kv();
        let shared = |sequence: &Sequence| store.reach(sequence.id, covered(sequence, text) as u32) as usize;
        let plain = store.sequences().iter().filter(|sequence| sequence.blend.is_empty());
        let best = plain.max_by_key(|sequence| shared(sequence))?;
        let tokens = best.tokens[..shared(best)].to_vec();
        let count = tokens.len() as u32;
        let near = store.near_from(best.id, count);
        (count > 0).then(|| Saver {
            sequence: best.id,
            hash: Xxh64::new(0),
            about: Some(About::of(engine, count, near, best.shifted)),
            parts: parts(store, count, near),
            tokens,
        })
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The next bytes; none after the last. Requests may go on between them. `Disposed` where the text made room for others
    /// meanwhile; else as the device fails.
    pub async fn next(&mut self, engine: &Engine) -> Result<Option<Vec<u8>>> {
        if let Some(about) = self.about.take() {
            return Ok(Some(self.head(&about)));
        }
        let Some(part) = self.parts.next() else { return Ok(None) };
        if !engine.model.kv().get(self.sequence)?.tokens.starts_with(&self.tokens) {
            bail!(Disposed, "What was computed of this text made room for other texts; save it again.");
        }
        let mut bytes = Vec::with_capacity(part.bytes as usize);
        for (at, length) in part.stretches(engine.model.kv(), self.sequence, self.tokens.len() as u32)? {
            bytes.extend(engine.device.read_at(part.buffer, at, length).await?);
        }
        Ok(Some(self.sealed(bytes)))
    }

    fn head(&mut self, about: &About) -> Vec<u8> {
        let json = serde_json::to_vec(about).unwrap_or_default();
        let head = [&MAGIC[..], &(json.len() as u32).to_le_bytes(), &json].concat();
        let tokens = self.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        [self.sealed(head), self.sealed(tokens)].concat()
    }

    /// With the hash of all that came until here.
    fn sealed(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.hash.update(&bytes);
        bytes.extend(self.hash.digest().to_le_bytes());
        bytes
    }
}

/// How many of a sequence's tokens are the text's, in order: from its beginning on, and behind a cut if there is one.
fn covered(sequence: &Sequence, text: &[u32]) -> usize {
    let same = |a: &[u32], b: &[u32]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let before = same(&sequence.tokens, text);
    let rest = &sequence.tokens[before..];
    if sequence.shifted.is_none_or(|from| from as usize > before) || rest.len() < MARK {
        return before;
    }
    let places = text[before..].windows(MARK).enumerate().filter(|(_, window)| *window == &rest[..MARK]);
    before + places.map(|(at, _)| same(rest, &text[before + at..])).max().unwrap_or(0)
}
