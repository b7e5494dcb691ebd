//! Keys and values of every layer, in cells, the states of layers that have none ([`states`]), and the sequences that they
//! belong to. A cell holds one position of one
//! sequence; which of a sequence's cells it is says [`cell`](crate::kernels::cell::cell).
//!
//! A sequence's cells are a run of neighbours, so that a row finds all of them by one number. Runs never pass each other:
//! - A new run starts in the middle of the largest gap, so that it and the run before it can both grow where they are.
//!   The first starts at cell 0, with all of them before it.
//! - A run that grows takes the free cells behind it. Where those are too few, the runs before it move to the left and
//!   the ones behind it to the right, as in a text editor's gap buffer, until all free cells lie behind it. That copies
//!   bytes within the device's memory, which is nothing beside computing the tokens again, and needs no room.
//! - Where all free cells together are too few, the sequence that was used longest ago goes, of those that nobody holds;
//!   those that are to be kept go last.
//!
//! So several conversations keep what was computed of them as long as there are cells for all, one alone can have every
//! cell, and nothing is set aside for a reply that may never get long. Blocks of cells and a table of them (Kwon et al.
//! 2023, "PagedAttention") would need no moves; then `cell` looks into the table, and the rules above go.

mod layout;
mod states;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::base::precision::KvType;
use crate::device::memory::{Memory, Move, Moves};
use crate::kernels::cell::RowWords;
use crate::model::adapter::{AdapterId, Blend};
use layout::Run;

pub use states::{MOST_AHEAD, States};

/// Names a sequence of a store, and never another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceId(pub u32);

/// A text that a model has read, token by token.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its name.
    pub id: SequenceId,
    /// Those whose keys and values are kept, by position.
    pub tokens: Vec<u32>,
    /// The cells of `tokens`, and room for more.
    pub cells: Run,
    /// Larger than that of any sequence used before.
    pub used: u64,
    /// A request is under way in it: it does not go for others.
    pub held: bool,
    /// Others go before it, and what goes on with it takes a copy.
    pub kept: bool,
    /// The adapters that it is read with: keys and values are theirs too.
    pub blend: Blend,
    /// From this position on keys and values were moved there ([`Store::cut_out`]), and remember what is gone.
    pub shifted: Option<u32>,
}

impl Sequence {
    fn new() -> Self {
        Sequence {
            id: SequenceId(0),
            tokens: Vec::new(),
            cells: Run { first: 0, count: 0 },
            used: 0,
            held: false,
            kept: false,
            blend: Blend::new(),
            shifted: None,
        }
    }

    /// How many of its tokens serve a text: one that may go on with what was `shifts`, or not.
    pub fn serves(&self, shifts: bool) -> usize {
        self.shifted.filter(|_| !shifts).map_or(self.tokens.len(), |at| self.tokens.len().min(at as usize))
    }

    /// A row of it as kernels read it, in a batch after which it has `end` tokens.
    pub fn row(&self, token: u32, position: u32, end: u32) -> RowWords {
        [token, position, self.cells.first, end]
    }
}

/// The cells of a model: keys and values of all sequences.
#[derive(Debug)]
pub struct Store {
    /// How a number is stored.
    pub kind: KvType,
    /// Of all sequences together.
    pub cells: u32,
    /// Per layer, keys and values: [cells][n_kv_heads][head_dim].
    pub layers: Vec<(BufferId, BufferId)>,
    /// Of layers that have a state instead.
    pub states: States,
    /// Bytes of a cell in each of a layer's buffers.
    cell_bytes: Vec<[u64; 2]>,
    /// In the order of their cells.
    sequences: Vec<Sequence>,
    /// Sequences named so far, and uses counted.
    named: u32,
    uses: u64,
    /// Sequences that went for others so far.
    pub evictions: u64,
}

impl Store {
    /// `cell_bytes`: a cell's keys in each layer, and its values; multiples of 4.
    /// `AdapterTooSmall` where a layer's cells exceed the largest binding.
    pub fn new(
        cell_bytes: impl IntoIterator<Item = [u64; 2]>,
        kind: KvType,
        cells: u32,
        memory: &mut dyn Memory,
    ) -> Result<Self> {
        let cell_bytes: Vec<[u64; 2]> = cell_bytes.into_iter().collect();
        let mut layers = Vec::new();
        for each in &cell_bytes {
            let [k, v] = each.map(|each| u64::from(cells) * each);
            layers.push((memory.alloc("k cache", k)?, memory.alloc("v cache", v)?));
        }
        let states = States::default();
        Ok(Store { kind, cells, layers, states, cell_bytes, sequences: Vec::new(), named: 0, uses: 0, evictions: 0 })
    }

    /// Each buffer that has cells, and the bytes of one in it.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, u64)> {
        let each = self.layers.iter().zip(&self.cell_bytes);
        each.flat_map(|(&(keys, values), &[k, v])| [(keys, k), (values, v)]).filter(|(_, bytes)| *bytes > 0)
    }

    /// Those that are kept.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// `Disposed` where it is not kept any more.
    pub fn get(&self, id: SequenceId) -> Result<&Sequence> {
        match self.index(id) {
            Some(index) => Ok(&self.sequences[index]),
            None => bail!(Disposed, "What was computed of this text made room for other texts; start it again."),
        }
    }

    /// Cells that no sequence has.
    pub fn free(&self) -> u32 {
        self.cells - self.sequences.iter().map(|s| s.cells.count).sum::<u32>()
    }

    /// Cells that a sequence could have: those that are free, and those of sequences that nobody holds.
    pub fn spare(&self) -> u32 {
        self.cells - self.sequences.iter().filter(|s| s.held).map(|s| s.cells.count).sum::<u32>()
    }

    /// Whether it stays until it is closed, whoever wants room.
    pub fn hold(&mut self, id: SequenceId, held: bool) {
        if let Some(index) = self.index(id) {
            self.sequences[index].held = held;
        }
    }

    /// A new sequence that is read with these adapters; else as [`Store::open`].
    pub fn open_with(&mut self, room: u32, blend: &Blend, memory: &mut dyn Moves) -> Result<SequenceId> {
        let id = self.open(room, memory)?;
        self.read_with(id, blend);
        Ok(id)
    }

    /// From its first token on it is read with these adapters.
    fn read_with(&mut self, id: SequenceId, blend: &Blend) {
        if let Some(index) = self.index(id) {
            self.sequences[index].blend.clone_from(blend);
        }
    }

    /// Forgets all that was read with an adapter.
    pub fn forget(&mut self, adapter: AdapterId) {
        self.sequences.retain(|s| s.blend.iter().all(|(id, _)| *id != adapter));
    }

    /// It goes for others only where no other sequence is left to go.
    pub fn keep(&mut self, id: SequenceId) {
        if let Some(index) = self.index(id) {
            self.sequences[index].kept = true;
        }
    }

    /// The sequence that was used longest ago, of all but one that nobody holds; those that are kept come last.
    pub fn oldest(&self, but: Option<SequenceId>) -> Option<SequenceId> {
        let others = self.sequences.iter().filter(|s| Some(s.id) != but && !s.held);
        others.min_by_key(|s| (s.kept, s.used)).map(|s| s.id)
    }

    /// A new sequence with room for `room` tokens, for which others may go. `Internal` where that is more than all cells.
    pub fn open(&mut self, room: u32, memory: &mut dyn Moves) -> Result<SequenceId> {
        self.check(room)?;
        while self.free() < room {
            let Some(oldest) = self.oldest(None) else { return all_held(room) };
            self.evict(oldest);
        }
        let (index, first) = layout::place(self.sequences.iter().map(|s| s.cells), self.cells, room);
        let id = SequenceId(self.named);
        self.named += 1;
        let cells = Run { first, count: 0 };
        self.sequences.insert(index, Sequence { id, cells, ..Sequence::new() });
        self.touch(id);
        self.reserve(id, room, memory)?;
        Ok(id)
    }

    /// A new sequence with room for `room` tokens that starts with the first `shared` of another's: their cells are
    /// copied. It may start with fewer, as [`Store::rewind`] may go further back; or with none, where the other had to
    /// make room for it.
    pub fn fork(&mut self, of: SequenceId, shared: u32, room: u32, memory: &mut dyn Moves) -> Result<SequenceId> {
        let blend = self.get(of).map_or_else(|_| Blend::new(), |of| of.blend.clone());
        let id = self.open_with(room.max(shared), &blend, memory)?;
        if let Some(of) = self.index(of) {
            let to = self.get(id)?.cells.first;
            let Sequence { id: from, tokens, cells, shifted, .. } = &self.sequences[of];
            let shifted = *shifted;
            let shared = self.states.reach(*from, shared.min(tokens.len() as u32));
            let tokens = tokens[..shared as usize].to_vec();
            self.move_cells(&[(Run { first: cells.first, count: tokens.len() as u32 }, to)], memory);
            self.states.lend(*from, shared, id);
            self.push(id, &tokens);
            self.mark_shifted(id, shifted);
        }
        Ok(id)
    }

    /// Room for `room` tokens, those that are there included. The sequence's cells may come to lie elsewhere, and other
    /// sequences may go. `Internal` where that is more than all cells.
    pub fn reserve(&mut self, id: SequenceId, room: u32, memory: &mut dyn Moves) -> Result<()> {
        self.check(room)?;
        while self.get(id)?.cells.count + self.free() < room {
            let Some(oldest) = self.oldest(Some(id)) else { return all_held(room) };
            self.evict(oldest);
        }
        let Some(index) = self.index(id) else { return Ok(()) };
        let end = self.sequences.get(index + 1).map_or(self.cells, |next| next.cells.first);
        if end - self.sequences[index].cells.first < room {
            let mut runs: Vec<Run> = self.sequences.iter().map(|s| s.cells).collect();
            let moves = layout::gather(&mut runs, index, self.cells);
            self.sequences.iter_mut().zip(runs).for_each(|(s, run)| s.cells = run);
            self.move_cells(&moves, memory);
        }
        let cells = &mut self.sequences[index].cells;
        cells.count = cells.count.max(room);
        Ok(())
    }

    /// It was used just now.
    pub fn touch(&mut self, id: SequenceId) {
        self.uses += 1;
        if let Some(index) = self.index(id) {
            self.sequences[index].used = self.uses;
        }
    }

    /// The keys and values of these tokens are in its next cells.
    pub fn push(&mut self, id: SequenceId, tokens: &[u32]) {
        if let Some(index) = self.index(id) {
            self.sequences[index].tokens.extend_from_slice(tokens);
        }
    }

    /// Forgets what comes after the first `to` tokens, and says how many are left. They may be fewer than asked for: keys
    /// and values can go back to any token, but a recurrent state only to where a copy of it was kept.
    pub fn rewind(&mut self, id: SequenceId, to: u32) -> u32 {
        let Some(index) = self.index(id) else { return 0 };
        let Sequence { tokens, shifted, .. } = &mut self.sequences[index];
        let to = self.states.reach(id, to.min(tokens.len() as u32));
        self.states.forget_after(id, to);
        tokens.truncate(to as usize);
        *shifted = shifted.filter(|at| *at < to);
        to
    }

    /// Forgets the tokens that a pass could not go on after, as guesses were wrong or steps were submitted in vain.
    pub fn settle(&mut self, id: SequenceId) {
        self.rewind(id, u32::MAX);
    }

    /// How many tokens are left once [`Store::rewind`] has gone back as far.
    pub fn reach(&self, id: SequenceId, to: u32) -> u32 {
        self.states.reach(id, to)
    }

    /// Cuts tokens out of a sequence: what is left are the first `before`. The cells of as many as `behind` behind the cut move up to
    /// these; gives their tokens, which are pushed once their keys are those of where they are now.
    pub fn cut_out(
        &mut self,
        id: SequenceId,
        before: u32,
        [cut, behind]: [u32; 2],
        memory: &mut dyn Moves,
    ) -> Vec<u32> {
        let Some(index) = self.index(id) else { return Vec::new() };
        let Sequence { tokens, cells, shifted, .. } = &mut self.sequences[index];
        let moved = tokens[(before + cut) as usize..(before + cut + behind) as usize].to_vec();
        tokens.truncate(before as usize);
        *shifted = shifted.filter(|at| *at < before);
        let from = Run { first: cells.first + before + cut, count: behind };
        let to = cells.first + before;
        self.move_cells(&[(from, to)], memory);
        moved
    }

    /// Says from where on it was shifted, if that is not known of an earlier place.
    pub fn mark_shifted(&mut self, id: SequenceId, from: Option<u32>) {
        if let Some(index) = self.index(id) {
            let Sequence { tokens, shifted, .. } = &mut self.sequences[index];
            let first = [*shifted, from].into_iter().flatten().min();
            *shifted = first.filter(|at| (*at as usize) < tokens.len());
        }
    }

    /// Gives back the cells beyond its tokens; without a token it is closed.
    pub fn trim(&mut self, id: SequenceId) {
        let Some(index) = self.index(id) else { return };
        let Sequence { tokens, cells, .. } = &mut self.sequences[index];
        cells.count = tokens.len() as u32;
        if tokens.is_empty() {
            self.close(id);
        }
    }

    /// Forgets a sequence.
    pub fn close(&mut self, id: SequenceId) {
        self.sequences.retain(|s| s.id != id);
        self.states.close(id);
    }

    /// Forgets one for others.
    pub fn evict(&mut self, id: SequenceId) {
        self.evictions += 1;
        self.close(id);
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.sequences.clear();
        self.states.clear();
    }

    fn check(&self, room: u32) -> Result<()> {
        if room > self.cells {
            bail!(Internal, "Room for {room} tokens was asked for in a cache of {}.", self.cells);
        }
        Ok(())
    }

    fn index(&self, id: SequenceId) -> Option<usize> {
        self.sequences.iter().position(|s| s.id == id)
    }

    /// Copies runs of cells to where they begin now, in every layer.
    fn move_cells(&self, runs: &[(Run, u32)], memory: &mut dyn Moves) {
        let mut moves = Vec::new();
        for (&(keys, values), bytes) in self.layers.iter().zip(&self.cell_bytes) {
            for (buffer, bytes) in [keys, values].into_iter().zip(bytes).filter(|(_, bytes)| **bytes > 0) {
                moves.extend(runs.iter().map(|&(run, to)| Move {
                    buffer,
                    from: u64::from(run.first) * bytes,
                    to: u64::from(to) * bytes,
                    bytes: u64::from(run.count) * bytes,
                }));
            }
        }
        memory.move_bytes(&moves);
    }
}

/// Who asks looks at [`Store::spare`] first.
fn all_held<T>(room: u32) -> Result<T> {
    bail!(Internal, "Room for {room} tokens was asked for in a cache whose other cells are in use.")
}
