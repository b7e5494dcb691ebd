//! A text that the model has read, as bytes that outlive the engine: its tokens, the keys and values of all layers, and what
//! recurrent layers keep of it. An engine of the same model goes on with it without reading it again.
//!
//! The bytes are a magic number, the length of what follows in JSON ([`About`]), that, the tokens as 32-bit numbers, for each
//! layer that has one its state after all of them, and for each layer its keys and its values, cell by cell, in parts of at
//! most [`PART`] bytes. Behind each piece is the hash of all bytes before it (XXH64), so that nothing reaches the device that
//! is not as it was written. Numbers are little endian. Neither way has more than a part in this program's memory.

mod restore;
mod save;

use std::ops::Range;
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::{Code, Error, Result};
use crate::model::spec::RopeFactors;
use crate::model::store::{SequenceId, Store};
use crate::run::engine::Engine;

pub use restore::Restorer;
pub use save::Saver;

/// What saved sessions begin with.
pub const MAGIC: &[u8; 8] = b"sotto-kv";
/// Grows with what a cell or a state holds, and how.
const FORMAT: u32 = 2;
/// Bytes of keys, values or states that are read or written at once, at most.
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
    /// Bytes of the state of each layer that has one.
    states: Vec<u64>,
    tokens: u32,
    /// From which position on layers with a window are there, where these have cells of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    near: Option<u32>,
    /// From where on they were shifted, if they were.
    shifted: Option<u32>,
}

impl About {
    /// Of so many tokens of an engine's.
    fn of(engine: &Engine, tokens: u32, near: Option<u32>, shifted: Option<u32>) -> About {
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
            states: store.states.sizes().map(|(_, bytes)| bytes).collect(),
            tokens,
            near,
            shifted,
        }
    }

    /// `StaleSession` where an engine cannot use it.
    fn check(&self, engine: &Engine) -> Result<()> {
        let here = About::of(engine, self.tokens, self.near, self.shifted);
        let same_numbers = self.kind == here.kind && self.cells == here.cells && self.states == here.states;
        let same_numbers = same_numbers && self.near.is_some() == engine.model.kv().near_tables().is_some();
        let same = [
            (self.model == here.model, "of another model"),
            (self.format == here.format && self.version == here.version, "by another version of Sotto"),
            (same_numbers, "with another kvType, precision, contextLength or cacheTokens"),
            (self.tokens <= engine.model.sizes.context, "with a longer contextLength"),
        ];
        same.iter().find(|(same, _)| !same).map_or(Ok(()), |(_, how)| Err(stale(how)))
    }
}

/// Some neighbouring bytes of a text in one buffer: keys or values of cells, or of a layer's state.
#[derive(Clone, Copy, Debug)]
struct Part {
    buffer: BufferId,
    of: Of,
    /// Bytes of a cell, or of a state.
    each: u64,
    /// The first byte, counted from the text's own first.
    from: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Cells,
    /// Cells of layers with a window.
    Near,
    State,
}

impl Part {
    /// Where it lies in its buffer, of the first `tokens` of a sequence: from which byte on, and how many, one stretch after the
    /// other. `Disposed` where the sequence, or its state after these, is not kept any more.
    fn stretches(&self, store: &Store, id: SequenceId, tokens: u32) -> Result<Vec<(u64, u64)>> {
        match self.of {
            Of::Cells | Of::Near => {
                let [from, to] = [self.from, self.from + self.bytes].map(|byte| (byte / self.each) as u32);
                let sequence = store.get(id)?;
                let runs = match self.of {
                    Of::Near => sequence.near_runs(from..to),
                    _ => Some(sequence.runs(from..to)),
                };
                let Some(runs) = runs else {
                    bail!(Disposed, "What was computed of this text made room for other texts; start it again.")
                };
                Ok(runs
                    .into_iter()
                    .map(|run| (u64::from(run.first) * self.each, u64::from(run.count) * self.each))
                    .collect())
            }
            Of::State => {
                let state = u64::from(store.state_after(id, tokens)?);
                Ok(vec![(state * self.each + self.from, self.bytes)])
            }
        }
    }
}

/// The parts of a text, in the order of the bytes.
fn parts(store: &Store, tokens: u32, near: Option<u32>) -> IntoIter<Part> {
    let cut = |of: Of, buffer: BufferId, each: u64, all: Range<u64>| {
        // No cell is cut.
        let most = if of == Of::State { PART } else { (PART / each).max(1) * each };
        let part = move |from| Part { buffer, of, each, from, bytes: most.min(all.end - from) };
        all.step_by(most as usize).map(part)
    };
    // States first: one that goes for others while the text is written is the sooner safe.
    let states = store.states.sizes().flat_map(|(buffer, each)| cut(Of::State, buffer, each, 0..each));
    let from = near.unwrap_or(0);
    let within = store.buffers_of(true);
    let within =
        within.flat_map(|(buffer, each)| cut(Of::Near, buffer, each, each * u64::from(from)..each * u64::from(tokens)));
    let cells = store.buffers_of(false);
    let cells = cells.flat_map(|(buffer, each)| cut(Of::Cells, buffer, each, 0..each * u64::from(tokens)));
    states.chain(within).chain(cells).collect::<Vec<Part>>().into_iter()
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
    use crate::model::store::States;

    #[test]
    fn parts_are_all_bytes_once_and_none_is_larger_than_a_megabyte() {
        let mut memory = CpuMemory::default();
        let cells = [[4000; 2], [12; 2], [12, 0], [0; 2]];
        let mut store = Store::new(cells, KvType::F32, 800, &mut memory).expect("a store");
        store.states = States::new([0, 300_000, 0, 25], &mut memory).expect("states");
        let id = store.open(100, &mut memory).expect("a sequence");
        let other = store.open(650, &mut memory).expect("a sequence");
        store.suppose(id, 100, &mut memory).expect("a state");
        store.suppose(other, 650, &mut memory).expect("a state");
        let blocks = |store: &Store, id| store.get(id).expect("it is there").blocks.clone();
        assert!(!blocks(&store, other).contains(&0) && store.state_after(other, 650) == Ok(1));
        let parts: Vec<Part> = parts(&store, 650, None).collect();
        assert!(parts.iter().all(|part| part.bytes <= PART));
        let of_cells = store.buffers().map(|(buffer, each)| (buffer, each * 650, true, each));
        let of_states = store.states.sizes().map(|(buffer, each)| (buffer, each, false, each));
        for (buffer, bytes, is_of_cells, each) in of_cells.chain(of_states) {
            let mut end = 0;
            for part in parts.iter().filter(|part| part.buffer == buffer) {
                assert_eq!(part.from, end);
                for (at, length) in part.stretches(&store, other, 650).expect("stretches") {
                    let (place, within) = (end / each, end % each);
                    let want = match is_of_cells {
                        true => u64::from(blocks(&store, other)[place as usize / 32]) * 32 + place % 32,
                        false => 1,
                    };
                    assert_eq!(at, want * each + within);
                    end += length;
                }
                assert_eq!(end, part.from + part.bytes);
            }
            assert_eq!(end, bytes);
        }
        // What has no cells, or no state, is not there.
        assert_eq!(parts.len(), 2 + 1 + 2 * (3 + 1) + 1);
        assert!(store.state_after(other, 649).is_err());
    }
}
