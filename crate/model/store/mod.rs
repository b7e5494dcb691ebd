//! Keys and values of every layer, in cells, the states of layers that have none ([`states`]), and the sequences that they
//! belong to. A cell holds one position of one sequence; which of a sequence's cells it is says
//! [`cell`](crate::kernels::cell::cell).
//!
//! Cells are given in blocks of neighbours, and a sequence has a table of its blocks (Kwon et al. 2023, "PagedAttention"):
//! - A sequence that grows takes any free block.
//! - A copy of a sequence shares the blocks that are full, and copies what it wants of the last one.
//! - What is written is in blocks of one sequence alone: one that goes back into a block that others use copies it first.
//! - Where too few blocks are free, the sequence that was used longest ago goes, of those that nobody holds; those that are to
//!   be kept go last. A block is free when the last that used it is gone.
//!
//! So several conversations keep what was computed of them as long as there are cells for all, what they begin with is there
//! once, one alone can have every cell, and nothing is set aside for a reply that may never get long.

mod moved;
mod near;
mod pool;
mod sequence;
mod states;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::{Code, Error, Result};
use crate::base::precision::KvType;
use crate::device::memory::{Memory, Move, Moves};
use crate::kernels::cell::BLOCK;
use crate::model::adapter::{AdapterId, Blend};
pub use near::Near;
use pool::Pool;
use sequence::copies;

pub use sequence::{GONE, Run, Sequence, SequenceId};
pub use states::{MOST_AHEAD, States};

/// The cells of a model: keys and values of all sequences.
#[derive(Debug)]
pub struct Store {
    /// How a number is stored.
    pub kind: KvType,
    /// Of all blocks together.
    pub cells: u32,
    /// Per layer, keys and values: [cells][n_kv_heads][head_dim].
    pub layers: Vec<(BufferId, BufferId)>,
    /// Of layers that have a state instead.
    pub states: States,
    /// Bytes of a cell in each of a layer's buffers.
    cell_bytes: Vec<[u64; 2]>,
    pool: Pool,
    /// Of layers that look back over a window only, where these have fewer cells.
    near: Option<Near>,
    sequences: Vec<Sequence>,
    /// Sequences named so far, and uses counted.
    named: u32,
    uses: u64,
    /// Sequences that went for others so far.
    pub evictions: u64,
}

impl Store {
    /// Room for at least so many cells. `cell_bytes`: a cell's keys in each layer, and its values; multiples of 4.
    /// `AdapterTooSmall` where a layer's cells exceed the largest binding.
    pub fn new(
        cell_bytes: impl IntoIterator<Item = [u64; 2]>,
        kind: KvType,
        cells: u32,
        memory: &mut dyn Memory,
    ) -> Result<Self> {
        Store::with_windows(cell_bytes, kind, cells, None, memory)
    }

    /// The same where some layers have fewer cells.
    pub fn with_windows(
        cell_bytes: impl IntoIterator<Item = [u64; 2]>,
        kind: KvType,
        cells: u32,
        near: Option<Near>,
        memory: &mut dyn Memory,
    ) -> Result<Self> {
        let cell_bytes: Vec<[u64; 2]> = cell_bytes.into_iter().collect();
        let pool = Pool::new(blocks(cells));
        let cells = pool.count() * BLOCK;
        let mut layers = Vec::new();
        for (layer, each) in cell_bytes.iter().enumerate() {
            let cells = near.as_ref().filter(|near| near.layers[layer]).map_or(cells, Near::cells);
            let [k, v] = each.map(|each| u64::from(cells) * each);
            layers.push((memory.alloc("k cache", k)?, memory.alloc("v cache", v)?));
        }
        let states = States::default();
        Ok(Store {
            kind,
            cells,
            layers,
            states,
            cell_bytes,
            pool,
            near,
            sequences: Vec::new(),
            named: 0,
            uses: 0,
            evictions: 0,
        })
    }

    /// Each buffer that has cells, and the bytes of one in it.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, u64)> {
        self.buffers_of(false).chain(self.buffers_of(true))
    }

    /// Those of layers that look at all positions, or of those that have fewer cells.
    pub fn buffers_of(&self, near: bool) -> impl Iterator<Item = (BufferId, u64)> {
        let is_near = move |layer: usize| self.near.as_ref().is_some_and(|near| near.layers[layer]);
        let each =
            self.layers.iter().zip(&self.cell_bytes).enumerate().filter(move |(layer, _)| is_near(*layer) == near);
        each.flat_map(|(_, (&(keys, values), &[k, v]))| [(keys, k), (values, v)]).filter(|(_, bytes)| *bytes > 0)
    }

    /// Bytes of the tables of a batch of so many rows, at most, where a sequence has so many positions: each is of a sequence that
    /// has a block of its own, or of short texts.
    pub fn table_bytes(&self, rows: u32, positions: u32) -> u64 {
        let whole = u64::from(rows.min(self.pool.count())) * u64::from(blocks(positions));
        (4 * (whole + u64::from(rows))).next_multiple_of(16)
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

    /// Cells of the blocks that no sequence has.
    pub fn free(&self) -> u32 {
        self.pool.free() * BLOCK
    }

    /// Cells that no sequence would have if all went that nobody holds.
    pub fn spare(&self) -> u32 {
        BLOCK * self.outside(None)
    }

    /// Of the first tokens of a sequence as many as lie in blocks that sequences have which are held: who shares them needs no
    /// cells for them.
    pub fn held_of(&self, id: SequenceId, shared: u32) -> u32 {
        let Some(index) = self.index(id) else { return 0 };
        let held = || self.sequences.iter().filter(|s| s.held);
        let full = &self.sequences[index].blocks[..(shared / BLOCK) as usize];
        let is_held = |block: &&u32| held().any(|s| s.blocks.contains(block));
        BLOCK * full.iter().take_while(is_held).count() as u32
    }

    /// Whether [`Store::reserve`] would find room.
    pub fn has_room(&self, id: SequenceId, room: u32) -> bool {
        let held = |s: &Sequence| s.held && s.id != id;
        let more = self.index(id).map_or(0, |index| {
            let shared = |block| self.sequences.iter().any(|s| held(s) && s.blocks.contains(&block));
            self.missing(index, room, shared)
        });
        more <= self.outside(Some(id)) && self.has_near_for(None)
    }

    /// Blocks that neither sequences have that are held nor this one.
    fn outside(&self, id: Option<SequenceId>) -> u32 {
        let stay = self.sequences.iter().filter(|s| s.held || Some(s.id) == id);
        self.pool.outside(&stay.map(|s| &s.blocks[..]).collect::<Vec<_>>())
    }

    /// Blocks that a sequence has to take so that it may write up to `room` tokens.
    fn missing(&self, index: usize, room: u32, is_shared: impl Fn(u32) -> bool) -> u32 {
        let own = &self.sequences[index];
        let more = blocks(room).saturating_sub(own.blocks.len() as u32);
        more + u32::from(own.broken().is_some_and(|at| room > own.tokens.len() as u32 && is_shared(own.blocks[at])))
    }

    /// `Internal` where a sequence has no cell for this position that is its own.
    pub fn check(&self, id: SequenceId, position: u32) -> Result<()> {
        let sequence = self.get(id)?;
        match sequence.blocks.get((position / BLOCK) as usize) {
            Some(block) if sequence.laid.is_none() && self.pool.is_shared(*block) => {
                bail!(Internal, "A token at {position} was to be written to a cell that other sequences have too.")
            }
            Some(_) => self.check_near(sequence, position),
            None => bail!(Internal, "A token at {position} has no cell in a sequence of {}.", sequence.room()),
        }
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
        let with = |s: &&Sequence| s.blend.iter().any(|(id, _)| *id == adapter);
        while let Some(id) = self.sequences.iter().find(with).map(|s| s.id) {
            self.close(id);
        }
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

    /// A new sequence with room for `room` tokens, for which others may go. `PromptTooLong` where that is more than all cells.
    pub fn open(&mut self, room: u32, memory: &mut dyn Moves) -> Result<SequenceId> {
        let id = SequenceId(self.named);
        self.named += 1;
        self.sequences.push(Sequence::new(id));
        self.touch(id);
        self.reserve(id, room, memory).inspect_err(|_| self.close(id))?;
        Ok(id)
    }

    /// Sequences for texts that are read at once and then closed, for which all others go: they lie one right behind the other, so
    /// that short ones leave no cells between them. `PromptTooLong` where they have more tokens than there are cells.
    pub fn lay(&mut self, tokens: &[u32], blend: &Blend) -> Result<Vec<SequenceId>> {
        self.clear();
        let all: u32 = tokens.iter().sum();
        if all > self.cells {
            return Err(self.too_few(all));
        }
        let mut end = 0;
        let mut lay = |&count: &u32| {
            let (id, first) = (SequenceId(self.named), end);
            (self.named, end) = (self.named + 1, end + count);
            let own: Vec<u32> = (first / BLOCK..blocks(end)).collect();
            own.iter().for_each(|block| self.pool.share(*block));
            let (blend, laid) = (blend.clone(), Some(first % BLOCK));
            self.sequences.push(Sequence { blocks: own, blend, laid, ..Sequence::new(id) });
            id
        };
        Ok(tokens.iter().map(&mut lay).collect())
    }

    /// A new sequence with room for `room` tokens that starts with the first `shared` of another's: blocks that are full are
    /// both's from here on, and the cells of one more are copied. It may start with fewer, as [`Store::rewind`] may go further
    /// back; or without those of the block that is not full, where the other had to make room for it. Where it then needs blocks of
    /// its own and there are none, it has less room.
    pub fn fork(&mut self, of: SequenceId, shared: u32, room: u32, memory: &mut dyn Moves) -> Result<SequenceId> {
        let id = self.open(0, memory)?;
        let Some(from) = self.index(of) else { return self.reserve(id, room, memory).map(|()| id) };
        let Sequence { tokens, blocks, blend, shifted, .. } = self.sequences[from].clone();
        let shared = self.reach(of, shared.min(tokens.len() as u32));
        let full = shared / BLOCK;
        self.read_with(id, &blend);
        self.states.lend(of, shared, id);
        blocks[..full as usize].iter().for_each(|block| self.pool.share(*block));
        if let Some(index) = self.index(id) {
            self.sequences[index].blocks = blocks[..full as usize].to_vec();
            self.sequences[index].tokens = tokens[..(full * BLOCK) as usize].to_vec();
            self.lend_near(from, full as usize, index);
        }
        self.reserve(id, room.max(shared), memory).inspect_err(|_| self.close(id))?;
        let rest = full * BLOCK..shared;
        let there = self.copy_near(of, id, [rest.start, rest.end], memory).inspect_err(|_| self.close(id))?;
        if let (Some(from), Some(index), true) = (self.index(of), self.index(id), there) {
            let [source, target] = [from, index].map(|index| self.sequences[index].runs(rest.clone()));
            self.move_cells(&copies(&source, &target), false, memory);
            self.push(id, &tokens[rest.start as usize..rest.end as usize]);
        }
        self.mark_shifted(id, shifted);
        self.settle(id);
        // What it lost of the other's blocks is read again.
        if self.has_room(id, room) {
            self.reserve(id, room, memory).inspect_err(|_| self.close(id))?;
        }
        Ok(id)
    }

    /// Room for `room` tokens, those that are there included, all behind which may be written. Other sequences may go.
    /// `PromptTooLong` where that is more than all cells.
    pub fn reserve(&mut self, id: SequenceId, room: u32, memory: &mut dyn Moves) -> Result<()> {
        if room > self.cells {
            return Err(self.too_few(room));
        }
        self.get(id)?;
        loop {
            let Some(index) = self.index(id) else { return Ok(()) };
            if self.missing(index, room, |block| self.pool.is_shared(block)) <= self.pool.free() {
                break self.grow(index, room, memory);
            }
            match self.oldest(Some(id)) {
                Some(oldest) => self.evict(oldest),
                None => {
                    bail!(Internal, "Room for {room} tokens was asked for in a cache whose other cells are in use.")
                }
            }
        }
        Ok(())
    }

    fn too_few(&self, asked: u32) -> Error {
        let has = self.cells;
        let message = format!(
            "Room for {asked} tokens was asked for, and the cache has {has}; ask for fewer, or load with a larger contextLength."
        );
        Error::new(Code::PromptTooLong, message)
    }

    /// The same where enough blocks are free.
    fn grow(&mut self, index: usize, room: u32, memory: &mut dyn Moves) {
        let len = self.sequences[index].tokens.len() as u32;
        if room > len
            && let Some(last) = self.sequences[index].broken()
        {
            self.make_own(index, last, len % BLOCK, memory);
        }
        let own = &mut self.sequences[index].blocks;
        while (own.len() as u32) < blocks(room)
            && let Some(block) = self.pool.take(own.last().copied())
        {
            own.push(block);
        }
    }

    /// Puts a block of its own, with the first `count` cells, in the place of one that others use too.
    fn make_own(&mut self, index: usize, at: usize, count: u32, memory: &mut dyn Moves) {
        let shared = self.sequences[index].blocks[at];
        if self.pool.is_shared(shared)
            && let Some(own) = self.pool.take(None)
        {
            self.move_cells(&[(Run { first: shared * BLOCK, count }, own * BLOCK)], false, memory);
            self.pool.give_back(shared);
            self.sequences[index].blocks[at] = own;
        }
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
        let to = self.reach(id, to.min(self.sequences[index].tokens.len() as u32));
        self.states.forget_after(id, to);
        let Sequence { tokens, shifted, front, .. } = &mut self.sequences[index];
        tokens.truncate(to as usize);
        *front = to.min(*front);
        *shifted = shifted.filter(|at| *at < to);
        self.shed(index, to);
        // What lies behind would be neither wanted nor given back.
        self.shed_near(index, blocks(to) as usize);
        to
    }

    /// Gives back what lies behind the first `to` cells, from the first block on that others use too: it must not be written. Where
    /// the last of these cells are in such a block, all behind it: it is to be copied, and needs one that is free.
    fn shed(&mut self, index: usize, to: u32) {
        let own = &mut self.sequences[index].blocks;
        let shared = ((to / BLOCK) as usize..own.len()).find(|at| self.pool.is_shared(own[*at]));
        let from = shared.map_or(own.len(), |at| at.max(blocks(to) as usize));
        own.drain(from..).for_each(|block| self.pool.give_back(block));
        self.shed_near(index, from);
    }

    /// Forgets the tokens that a pass could not go on after, as guesses were wrong or steps were submitted in vain.
    pub fn settle(&mut self, id: SequenceId) {
        self.rewind(id, u32::MAX);
    }

    /// How many tokens are left once [`Store::rewind`] has gone back as far.
    pub fn reach(&self, id: SequenceId, mut to: u32) -> u32 {
        loop {
            let next = self.near_reach(id, self.states.reach(id, to));
            if next == to || !self.states.are_there() {
                return next;
            }
            to = next;
        }
    }

    /// Gives back the blocks beyond its tokens; without a token it is closed.
    pub fn trim(&mut self, id: SequenceId) {
        let Some(index) = self.index(id) else { return };
        let Sequence { tokens, blocks: own, .. } = &mut self.sequences[index];
        let end = blocks(tokens.len() as u32) as usize;
        own.drain(end..).for_each(|block| self.pool.give_back(block));
        if tokens.is_empty() {
            self.close(id);
        } else {
            self.shed_near(index, end);
        }
    }

    /// Forgets a sequence. Blocks that others use are still theirs.
    pub fn close(&mut self, id: SequenceId) {
        if let Some(index) = self.index(id) {
            let gone = self.sequences.remove(index);
            gone.blocks.into_iter().for_each(|block| self.pool.give_back(block));
            self.give_back_near(gone.near);
        }
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
        self.pool = Pool::new(self.pool.count());
        if let Some(near) = &mut self.near {
            near.pool = Pool::new(near.pool.count());
        }
        self.states.clear();
    }

    fn index(&self, id: SequenceId) -> Option<usize> {
        self.sequences.iter().position(|s| s.id == id)
    }

    /// Copies runs of cells to where they begin now, in every layer of a kind.
    fn move_cells(&self, runs: &[(Run, u32)], near: bool, memory: &mut dyn Moves) {
        let mut moves = Vec::new();
        for (buffer, bytes) in self.buffers_of(near) {
            moves.extend(runs.iter().map(|&(run, to)| Move {
                buffer,
                from: u64::from(run.first) * bytes,
                to: u64::from(to) * bytes,
                bytes: u64::from(run.count) * bytes,
            }));
        }
        memory.move_bytes(&moves);
    }
}

/// How many hold so many tokens.
fn blocks(tokens: u32) -> u32 {
    tokens.div_ceil(BLOCK)
}
