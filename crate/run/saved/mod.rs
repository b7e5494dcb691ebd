//! A text that the model has read, as bytes that outlive the engine: its tokens, and the keys and values of all layers. An
//! engine of the same model goes on with it without reading it again.
//!
//! The bytes are a magic number, the length of what follows in JSON ([`About`]), that, the tokens as 32-bit numbers, and for each
//! layer its keys and its values, cell by cell, in parts of at most [`PART`] bytes. Behind each piece is the hash of all bytes
//! before it (XXH64), so that nothing reaches the device that is not as it was written. Numbers are little endian. Neither
//! way has more than a part in this program's memory.

mod restore;
mod save;

use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use crate::base::buffer::BufferId;
use crate::base::error::{Code, Error, Result};
use crate::model::spec::RopeFactors;
use crate::model::store::Store;
use crate::run::engine::Engine;

pub use restore::Restorer;
pub use save::Saver;

const MAGIC: &[u8; 8] = b"sotto-kv";
/// Grows with what a cell holds, and how.
const FORMAT: u32 = 1;
/// Bytes of keys or values that are read or written at once, at most.
const PART: u64 = 1 << 20;
/// Bytes of a hash.
const HASH: usize = 8;

/// What the bytes are of. An engine that would write another one cannot use them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    format: u32,
    version: String,
    /// Of the model's file, in hex.
    model: String,
    /// How a number of the cache is stored, and what else of the options of `load` makes other numbers.
    kind: String,
    /// Bytes of a cell in each buffer.
    cells: Vec<u64>,
    tokens: u32,
}

impl About {
    /// Of so many tokens of an engine's.
    fn of(engine: &Engine, tokens: u32) -> About {
        let (model, store) = (&engine.model, engine.model.kv());
        let (hash, fast) = engine.fingerprint;
        let stretched = match model.net.rope_factors {
            Some(RopeFactors::Two { trained, .. }) => model.sizes.context > trained,
            _ => false,
        };
        About {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            model: format!("{hash:016x}"),
            kind: format!("{:?} fast={fast} stretched={stretched}", store.kind),
            cells: store.buffers().map(|(_, bytes)| bytes).collect(),
            tokens,
        }
    }

    /// `StaleSession` where an engine cannot use it.
    fn check(&self, engine: &Engine) -> Result<()> {
        let here = About::of(engine, self.tokens);
        let states = engine.model.kv().states.are_there();
        let same = [
            (!states, "without what recurrent layers keep"),
            (self.model == here.model, "of another model"),
            (self.format == here.format && self.version == here.version, "by another version of Sotto"),
            (self.kind == here.kind && self.cells == here.cells, "with another kvType, precision or contextLength"),
            (self.tokens <= engine.model.sizes.context, "with a longer contextLength"),
        ];
        same.iter().find(|(same, _)| !same).map_or(Ok(()), |(_, how)| Err(stale(how)))
    }
}

/// Keys or values of some cells of one buffer.
#[derive(Clone, Copy, Debug)]
struct Part {
    buffer: BufferId,
    /// Of a cell.
    each: u64,
    /// The first one, counted from the text's own first.
    from: u64,
    count: u64,
}

impl Part {
    fn bytes(&self) -> u64 {
        self.count * self.each
    }

    /// Where it lies in its buffer, of a text whose cells begin at `first`.
    fn offset(&self, first: u32) -> u64 {
        (u64::from(first) + self.from) * self.each
    }
}

/// The parts of a text, in the order of the bytes.
fn parts(store: &Store, tokens: u32) -> IntoIter<Part> {
    let tokens = u64::from(tokens);
    let of_buffer = |(buffer, each): (BufferId, u64)| {
        let most = (PART / each).max(1);
        let part = move |from| Part { buffer, each, from, count: most.min(tokens - from) };
        (0..tokens).step_by(most as usize).map(part)
    };
    // Layers of another kind keep nothing here.
    store.buffers().filter(|(_, each)| *each > 0).flat_map(of_buffer).collect::<Vec<Part>>().into_iter()
}

fn stale(how: &str) -> Error {
    Error::new(Code::StaleSession, format!("The session was saved {how}; its messages are read anew."))
}

fn damaged() -> Error {
    Error::new(Code::DamagedSession, "The saved session is not as it was written; its messages are read anew.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::precision::KvType;
    use crate::device::reference::CpuMemory;

    #[test]
    fn parts_are_all_cells_once_and_none_is_larger_than_a_megabyte() {
        let mut memory = CpuMemory::default();
        let store = Store::new([[4000; 2], [12; 2], [12, 0], [0; 2]], KvType::F32, 700, &mut memory).expect("a store");
        let parts: Vec<Part> = parts(&store, 650).collect();
        assert!(parts.iter().all(|part| part.bytes() <= PART));
        for (buffer, each) in store.buffers() {
            let of_it: Vec<&Part> = parts.iter().filter(|part| part.buffer == buffer).collect();
            let mut end = 0;
            for part in &of_it {
                assert_eq!((part.from, part.each), (end, each));
                end += part.count;
            }
            assert_eq!(end, 650);
            // Behind the first 100 cells.
            assert_eq!(of_it[0].offset(100), 100 * each);
        }
        // What has no cells is not there.
        assert_eq!(parts.len(), 2 * (3 + 1) + 1);
    }
}
