//! States of sequences, of the layers that have one instead of keys and values. A state here is a sequence's in all layers,
//! after so many of its tokens; there is room for some of them, which are numbered.
//!
//! A pass reads one state of a sequence and writes another, so what was read stays, and no state changes once it is
//! written. Hence every pass leaves a place to which the sequence can be rewound, steps that were submitted in vain spoil
//! nothing, and a copy of a sequence shares its states. They are forgotten where there is no room left:
//! - Of all that are not the last one of their sequence, first the one that costs the fewest tokens to compute again, those
//!   since the one before it: so the steps of a reply go, and the ends of a prompt's chunks stay.
//! - Where none is left, the sequence that was used longest ago goes.

use super::{SequenceId, Store};
use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::{Memory, Moves};
use crate::kernels::recurrent::{FromTo, NONE};

/// Bytes that all states may take, unless they are fewer than [`FEWEST`] then, and how many they are at most.
const BYTES: u64 = 128 << 20;
const MOST: u64 = 64;
/// The one that is read, those of the steps that are under way, the one that is written, and one of another text.
const FEWEST: u64 = 6;
/// Steps of a reply that may be under way at a time.
pub const MOST_AHEAD: usize = FEWEST as usize - 3;

/// Where states are, and whose they are.
#[derive(Debug, Default)]
pub struct States {
    /// Per layer [room][numbers of its state]; `None`: it has none.
    layers: Vec<Option<BufferId>>,
    /// Bytes of each layer's.
    bytes: Vec<u64>,
    /// States that there is room for.
    room: u32,
    /// By sequence, and then by `count`.
    kept: Vec<State>,
}

/// The state of a sequence after its first `count` tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    of: SequenceId,
    count: u32,
    /// Which one it is.
    number: u32,
}

impl States {
    /// `widths`: numbers of each layer's state, 0 where it has none. `AdapterTooSmall` where a layer's exceed the largest
    /// binding.
    pub fn new(widths: impl IntoIterator<Item = u32>, memory: &mut dyn Memory) -> Result<Self> {
        let widths: Vec<u64> = widths.into_iter().map(u64::from).collect();
        let bytes = 4 * widths.iter().sum::<u64>();
        if bytes == 0 {
            return Ok(States::default());
        }
        let room = (BYTES / bytes).clamp(FEWEST, MOST);
        let mut layer = |&width: &u64| match width {
            0 => Ok(None),
            width => memory.alloc("states", room * width * 4).map(Some),
        };
        let layers = widths.iter().map(&mut layer).collect::<Result<_>>()?;
        let bytes = widths.iter().map(|width| 4 * width).collect();
        Ok(States { layers, bytes, room: room as u32, kept: Vec::new() })
    }

    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        self.room > 0
    }

    /// No more than these many are kept, but enough for a request.
    pub fn limit(&mut self, most: u32) {
        self.room = self.room.min(most.max(FEWEST as u32));
    }

    /// A layer's. `Internal` where it has none.
    pub fn of(&self, layer: usize) -> Result<BufferId> {
        match self.layers.get(layer).copied().flatten() {
            Some(buffer) => Ok(buffer),
            None => bail!(Internal, "Layer {layer} has no state."),
        }
    }

    /// All layers'.
    pub fn buffers(&self) -> impl Iterator<Item = BufferId> {
        self.layers.iter().copied().flatten()
    }

    /// All layers', and the bytes of one state in each.
    pub fn sizes(&self) -> impl Iterator<Item = (BufferId, u64)> {
        self.layers.iter().zip(&self.bytes).filter_map(|(buffer, bytes)| Some(((*buffer)?, *bytes)))
    }

    /// Of the first `to` tokens of a sequence as many as a pass could go on after.
    pub fn reach(&self, id: SequenceId, to: u32) -> u32 {
        if !self.are_there() {
            return to;
        }
        self.own(id).map(|state| state.count).filter(|count| *count <= to).max().unwrap_or(0)
    }

    /// What comes after these many tokens of a sequence is of others now.
    pub(super) fn forget_after(&mut self, id: SequenceId, to: u32) {
        self.kept.retain(|state| state.of != id || state.count <= to);
    }

    /// Those of `id` after at most so many tokens are another's too.
    pub(super) fn lend(&mut self, of: SequenceId, shared: u32, id: SequenceId) {
        for index in 0..self.kept.len() {
            let state = self.kept[index];
            if state.of == of && state.count <= shared {
                self.kept.push(State { of: id, ..state });
            }
        }
        self.sort();
    }

    /// Forgets a sequence's.
    pub(super) fn close(&mut self, id: SequenceId) {
        self.kept.retain(|state| state.of != id);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    fn own(&self, id: SequenceId) -> impl Iterator<Item = State> {
        self.kept.iter().copied().filter(move |state| state.of == id)
    }

    fn free(&self) -> Option<u32> {
        let mut taken = vec![false; self.room as usize];
        self.kept.iter().for_each(|state| taken[state.number as usize] = true);
        (0..self.room).zip(taken).find_map(|(number, taken)| (!taken).then_some(number))
    }

    fn sort(&mut self) {
        self.kept.sort_by_key(|state| (state.of.0, state.count));
    }
}

impl Store {
    /// Whether so many requests can be under way at a time.
    pub fn has_states_for(&self, requests: usize) -> bool {
        !self.states.are_there() || 2 * requests < self.states.room as usize
    }

    /// The states that the next `count` tokens of a sequence read and write, its first `from` tokens being there. What was
    /// kept of tokens after them is forgotten.
    ///
    /// Errors: `Internal` where nothing is kept that they could go on from, or all states are in use.
    pub fn advance(&mut self, id: SequenceId, from: u32, count: u32) -> Result<[u32; 2]> {
        self.states.forget_after(id, from);
        let read = match (from, self.states.own(id).find(|state| state.count == from)) {
            (0, _) => NONE,
            (_, Some(state)) => state.number,
            (_, None) => bail!(Internal, "There is no state after {from} tokens that a pass could go on from."),
        };
        let number = self.make_free(id, from)?;
        self.states.kept.push(State { of: id, count: from + count, number });
        self.states.sort();
        Ok([read, number])
    }

    /// Which state is a sequence's after its first `count` tokens. `Disposed` where none is kept.
    pub fn state_after(&self, id: SequenceId, count: u32) -> Result<u32> {
        match self.states.own(id).find(|state| state.count == count) {
            Some(state) => Ok(state.number),
            None => {
                bail!(Disposed, "What was kept of this text after {count} tokens made room for others; start it again.")
            }
        }
    }

    /// As if a sequence had these many tokens, whatever they were: for measurements, and for what comes from elsewhere.
    pub fn suppose(&mut self, id: SequenceId, count: u32, memory: &mut dyn Moves) -> Result<()> {
        self.suppose_near(id, count, memory)?;
        if count > 0 && self.states.are_there() && self.states.reach(id, count) != count {
            let number = self.make_free(id, count)?;
            self.states.kept.push(State { of: id, count, number });
            self.states.sort();
        }
        Ok(())
    }

    /// The words of rows that go on from these many tokens.
    pub fn from_to(&mut self, id: SequenceId, from: u32, count: u32) -> Result<Vec<FromTo>> {
        let [read, written] = self.advance(id, from, count)?;
        Ok((0..count).map(|place| [read, written, place, count]).collect())
    }

    fn make_free(&mut self, id: SequenceId, from: u32) -> Result<u32> {
        loop {
            if let Some(number) = self.states.free() {
                return Ok(number);
            }
            let least = self.least(id, from);
            let oldest = self.oldest(Some(id));
            match (least, oldest) {
                (Some(index), _) => drop(self.states.kept.remove(index)),
                (None, Some(oldest)) => self.close(oldest),
                (None, None) => bail!(Internal, "All states are in use."),
            }
        }
    }

    /// The state that is worth least, but for those that sequences go on from.
    fn least(&self, id: SequenceId, from: u32) -> Option<usize> {
        let kept = &self.states.kept;
        let mut least: Option<(u32, u64, usize)> = None;
        for sequence in &self.sequences {
            let (first, count) =
                (kept.partition_point(|state| state.of.0 < sequence.id.0), self.states.own(sequence.id).count());
            let own = &kept[first..first + count];
            let tokens = sequence.tokens.len() as u32;
            let mut before = 0;
            for (index, state) in own.iter().enumerate() {
                let is_last = own.get(index + 1).is_none_or(|next| next.count > tokens);
                // Where nobody says which tokens were computed, what the last pass read and what it wrote.
                let ends = own.len() - index;
                let goes_on = is_last && state.count <= tokens || ends == 1 || tokens == 0 && ends == 2;
                let is_ahead = sequence.held && state.count > tokens || sequence.id == id && state.count == from;
                let worth = (state.count - before, sequence.used, first + index);
                if !goes_on && !is_ahead && least.is_none_or(|least| worth < least) {
                    least = Some(worth);
                }
                before = state.count;
            }
        }
        least.map(|(_, _, index)| index)
    }
}
