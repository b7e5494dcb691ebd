//! Cells of layers that look back over a window only: those behind it are others'. Such layers have a pool of blocks of
//! their own, and a sequence a second table, in which a block that went is [`GONE`].
//!
//! Blocks are taken for the rows of a pass, and given back where none is free: first what lies behind all that a sequence's
//! next row may see, the sequence that was used longest ago first; then what is kept around the ends of prompts, from where a
//! conversation goes on; then whole sequences that nobody holds. So a sequence goes back, lends and is saved only as far as
//! the window before that place is there ([`Store::reach`]). As requests are let in by what they need at most, there
//! is always a block for who is under way.

use super::pool::Pool;
use super::sequence::{GONE, Run, Sequence, SequenceId, copies};
use super::{Store, blocks};
use crate::bail;
use crate::base::error::Result;
use crate::device::memory::Moves;
use crate::kernels::cell::BLOCK;

/// Tokens that a sequence may go back at any time, guesses and steps that ran ahead among them.
pub const SLACK: u32 = 32;
/// There is room for the windows of as many sequences as the cache holds contexts, or as many as it has this many cells;
const USUAL: u32 = 4096;
/// for so many at least, where that is no more than half of the cache,
const WANTED: u32 = 4;
/// and never for fewer than so many.
const FEWEST: u32 = 3;

/// Which layers have these cells, and who has them.
#[derive(Debug)]
pub struct Near {
    /// Of the layers, those that have them.
    pub(super) layers: Vec<bool>,
    /// Cells that a row sees in them, itself included, at most.
    window: u32,
    /// Rows of a pass at most.
    rows: u32,
    /// Words of a batch from a sequence's other table to this one.
    tables: u32,
    pub(super) pool: Pool,
}

impl Near {
    /// Of layers with these windows, in a cache of so many cells. `None` where half as many would be
    /// too few: where all layers have the same, a text goes back to any of its tokens.
    pub fn new(windows: Vec<Option<u32>>, context: u32, cells: u32, rows: u32) -> Option<Near> {
        let window = windows.iter().copied().flatten().max()?;
        let layers = windows.iter().map(Option::is_some).collect();
        let of = |sequences: u32| u64::from(most(window)) * u64::from(sequences) + u64::from(blocks(rows));
        let half = u64::from(blocks(cells) / 2);
        let fewer = of((cells / context.clamp(1, USUAL)).max(WANTED)).min(half);
        if fewer < of(FEWEST) {
            return None;
        }
        Some(Near { layers, window, rows, tables: 0, pool: Pool::new(fewer as u32) })
    }

    /// Cells of each of these layers.
    pub fn cells(&self) -> u32 {
        self.pool.count() * BLOCK
    }

    /// The first block that the row at `position` sees.
    fn first_seen(&self, position: u32) -> u32 {
        (position + 1).saturating_sub(self.window) / BLOCK
    }

    /// The first block that stays of a sequence of so many tokens.
    fn first_kept(&self, len: u32) -> u32 {
        self.first_seen(len.saturating_sub(SLACK))
    }

    /// Blocks that a request of so many tokens needs, but for the rows of a pass.
    fn need(&self, tokens: u32) -> u32 {
        most(self.window).min(blocks(tokens) + 2)
    }

    /// The first block of a sequence that may go.
    fn to_go(&self, sequence: &Sequence, keeps_mark: bool) -> Option<usize> {
        let end = self.first_kept(sequence.front.max(sequence.tokens.len() as u32)) as usize;
        let mark = self.first_kept(sequence.mark) as usize..blocks(sequence.mark) as usize;
        let own = sequence.near.iter().enumerate().take(end);
        own.filter(|(at, block)| **block != GONE && !(keeps_mark && mark.contains(at))).map(|(at, _)| at).next()
    }
}

/// Blocks of a sequence at most: its window and what it may go back, neither of which begins or ends with a block.
fn most(window: u32) -> u32 {
    blocks(window.saturating_add(SLACK)) + 2
}

impl Store {
    /// Cells of a layer.
    pub fn cells_of(&self, layer: usize) -> u32 {
        self.near_of(layer).map_or(self.cells, Near::cells)
    }

    /// Words of a batch from the table that a row names to that of a layer's cells.
    pub fn tables_of(&self, layer: usize) -> u32 {
        self.near_of(layer).map_or(0, |near| near.tables)
    }

    fn near_of(&self, layer: usize) -> Option<&Near> {
        self.near.as_ref().filter(|near| near.layers[layer])
    }

    /// Words between the tables of a sequence, where it has two.
    pub fn near_tables(&self) -> Option<u32> {
        self.near.as_ref().map(|near| near.tables)
    }

    /// Cells of layers with a window, and those of them that no sequence has.
    pub fn near_cells(&self) -> Option<[u32; 2]> {
        self.near.as_ref().map(|near| [near.cells(), near.pool.free() * BLOCK])
    }

    /// No more than these many cells are used in layers with a window, but enough for two requests.
    pub fn limit_near(&mut self, cells: u32) {
        if let Some(near) = &mut self.near {
            let fewest = 2 * most(near.window) + blocks(near.rows);
            near.pool = Pool::new((cells / BLOCK).max(fewest).min(near.pool.count()));
        }
    }

    /// The tables of batches of so many rows are so far apart.
    pub(crate) fn place_tables(&mut self, rows: u32, positions: u32) {
        let bytes = self.table_bytes(rows, positions);
        if let Some(near) = &mut self.near {
            near.tables = (bytes / 4) as u32;
        }
    }

    /// Whether all that are under way have the blocks that they may need, and one more of so many tokens.
    pub fn has_near_for(&self, more: Option<u32>) -> bool {
        let Some(near) = &self.near else { return true };
        let held = self.sequences.iter().filter(|s| s.held).map(|s| s.tokens.len() as u32);
        let need: u32 = held.chain(more).map(|tokens| near.need(tokens)).sum();
        need + blocks(near.rows) <= near.pool.count()
    }

    /// Blocks for what a pass writes of these sequences: of each its positions, those before them being there. Others may go.
    /// `Internal` where there are too few.
    pub fn make_ready(&mut self, rows: &[(SequenceId, u32, u32)], memory: &mut dyn Moves) -> Result<()> {
        if self.near.is_none() {
            return Ok(());
        }
        for &(id, from, _) in rows {
            if let Some(index) = self.index(id) {
                self.sequences[index].front = from;
            }
        }
        let ids: Vec<SequenceId> = rows.iter().map(|(id, ..)| *id).collect();
        for &(id, from, to) in rows {
            self.get(id)?;
            self.take_near(id, from, to, &ids, memory)?;
        }
        Ok(())
    }

    fn take_near(
        &mut self,
        id: SequenceId,
        from: u32,
        to: u32,
        stay: &[SequenceId],
        memory: &mut dyn Moves,
    ) -> Result<()> {
        for at in (from / BLOCK) as usize..blocks(to) as usize {
            let block = self.near_at(id, at);
            let is_shared = |block| self.near.as_ref().is_some_and(|near| near.pool.is_shared(block));
            if block.is_some_and(|block| !is_shared(block)) {
                continue;
            }
            let before = at.checked_sub(1).and_then(|at| self.near_at(id, at));
            let own = self.free_near(before, stay)?;
            // What others use too is copied as far as it stays. It may have gone meanwhile, but not the window of this one.
            if let Some(block) = self.near_at(id, at) {
                let count = from.saturating_sub(at as u32 * BLOCK).min(BLOCK);
                if count > 0 {
                    self.move_cells(&[(Run { first: block * BLOCK, count }, own * BLOCK)], true, memory);
                }
                self.give_back_near([block]);
            }
            if let Some(index) = self.index(id) {
                let near = &mut self.sequences[index].near;
                near.resize(near.len().max(at + 1), GONE);
                near[at] = own;
            }
        }
        Ok(())
    }

    /// One that nobody uses.
    fn free_near(&mut self, before: Option<u32>, stay: &[SequenceId]) -> Result<u32> {
        loop {
            if let Some(block) = self.near.as_mut().and_then(|near| near.pool.take(before)) {
                return Ok(block);
            }
            if self.drop_one(true) || self.drop_one(false) {
                continue;
            }
            let others = self.sequences.iter().filter(|s| !s.held && !stay.contains(&s.id));
            match others.min_by_key(|s| (s.kept, s.used)).map(|s| s.id) {
                Some(oldest) => self.evict(oldest),
                None => bail!(Internal, "All cells of layers with a window are in use."),
            }
        }
    }

    /// The first block goes that a sequence can spare.
    fn drop_one(&mut self, keeps_marks: bool) -> bool {
        let Some(near) = &mut self.near else { return false };
        let can = self.sequences.iter_mut().filter_map(|s| near.to_go(s, keeps_marks).map(|at| (s, at)));
        let Some((sequence, at)) = can.min_by_key(|(s, _)| (s.kept, s.used)) else { return false };
        near.pool.give_back(sequence.near[at]);
        sequence.near[at] = GONE;
        true
    }

    fn near_at(&self, id: SequenceId, at: usize) -> Option<u32> {
        let near = &self.sequences[self.index(id)?].near;
        near.get(at).copied().filter(|block| *block != GONE)
    }

    pub(super) fn give_back_near(&mut self, gone: impl IntoIterator<Item = u32>) {
        if let Some(near) = &mut self.near {
            gone.into_iter().filter(|block| *block != GONE).for_each(|block| near.pool.give_back(block));
        }
    }

    /// The blocks of the second table from this one on go.
    pub(super) fn shed_near(&mut self, index: usize, from: usize) {
        let own = &mut self.sequences[index].near;
        let gone: Vec<u32> = own.drain(from.min(own.len())..).collect();
        self.give_back_near(gone);
    }

    /// Of the first `to` tokens of a sequence as many as have the window before the next.
    pub(super) fn near_reach(&self, id: SequenceId, mut to: u32) -> u32 {
        let (Some(near), Some(index)) = (&self.near, self.index(id)) else { return to };
        let own = &self.sequences[index].near;
        let is_gone = |at: &u32| own.get(*at as usize).is_none_or(|block| *block == GONE);
        while let Some(at) = (near.first_seen(to)..blocks(to)).rev().find(is_gone) {
            to = at * BLOCK;
        }
        to
    }

    /// `Internal` where a row at this position would see what is not there, or write what others have too.
    pub(super) fn check_near(&self, sequence: &Sequence, position: u32) -> Result<()> {
        let Some(near) = &self.near else { return Ok(()) };
        let at = |at: u32| sequence.near.get(at as usize).copied().filter(|block| *block != GONE);
        let own = position / BLOCK;
        if at(own).is_none_or(|block| near.pool.is_shared(block))
            || (near.first_seen(position)..own).any(|block| at(block).is_none())
        {
            bail!(Internal, "A token at {position} has not all cells of its window.")
        }
        Ok(())
    }

    /// A copy of a sequence shares these blocks, the first `full` of its table.
    pub(super) fn lend_near(&mut self, from: usize, full: usize, index: usize) {
        let Some(near) = &mut self.near else { return };
        let own = &self.sequences[from].near;
        let shared = own[..full.min(own.len())].to_vec();
        shared.iter().filter(|block| **block != GONE).for_each(|block| near.pool.share(*block));
        self.sequences[index].near = shared;
    }

    /// Copies cells of a block that is not full; `false` where they are not there any more.
    pub(super) fn copy_near(
        &mut self,
        of: SequenceId,
        id: SequenceId,
        [from, to]: [u32; 2],
        memory: &mut dyn Moves,
    ) -> Result<bool> {
        if self.near.is_none() || from == to {
            return Ok(true);
        }
        self.take_near(id, from, to, &[id], memory)?;
        let runs = |id| self.index(id).and_then(|index| self.sequences[index].near_runs(from..to));
        let (Some(source), Some(target)) = (runs(of), runs(id)) else { return Ok(false) };
        self.move_cells(&copies(&source, &target), true, memory);
        Ok(true)
    }

    /// What the layers with a window have of the first `count` tokens of a sequence, as far as it may be wanted: from which
    /// position on. `None`: all of them.
    pub fn near_from(&self, id: SequenceId, count: u32) -> Option<u32> {
        let near = self.near.as_ref()?;
        let kept = near.first_kept(count)..blocks(count);
        let missing = kept.clone().rev().find(|at| self.near_at(id, *at as usize).is_none());
        Some(BLOCK * missing.map_or(kept.start, |at| at + 1))
    }

    /// As if these tokens had been read, for measurements and for what comes from elsewhere.
    pub(super) fn suppose_near(&mut self, id: SequenceId, count: u32, memory: &mut dyn Moves) -> Result<()> {
        let Some(near) = &self.near else { return Ok(()) };
        let from = near.first_kept(count) * BLOCK;
        if let Some(index) = self.index(id) {
            self.sequences[index].front = count;
        }
        self.take_near(id, from, count, &[id], memory)
    }

    /// Of what is before this position nothing is there.
    pub fn forget_near_before(&mut self, id: SequenceId, position: u32) {
        let Some(index) = self.index(id) else { return };
        let own = &mut self.sequences[index].near;
        let count = own.len().min((position / BLOCK) as usize);
        let gone: Vec<u32> = own[..count].iter_mut().map(|block| std::mem::replace(block, GONE)).collect();
        self.give_back_near(gone);
    }

    /// The end of a prompt: the window before it stays as long as there is room.
    pub fn mark(&mut self, id: SequenceId, end: u32) {
        if let Some(index) = self.index(id) {
            self.sequences[index].mark = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::precision::KvType;
    use crate::device::reference::CpuMemory;

    #[test]
    fn a_window_has_cells_of_its_own_where_they_are_fewer() {
        let cells = |window, context, cells| Near::new(vec![None, window], context, cells, 64).map(|near| near.cells());
        assert_eq!([2048, 8192, 32768].map(|n| cells(Some(512), n, n)), [None, Some(2496), Some(4928)]);
        // A cache of many contexts has as many windows; half of it is the most.
        assert_eq!(cells(Some(512), 2048, 32768), Some(16 * 19 * 32 + 64));
        assert_eq!([8192, 32768].map(|n| cells(Some(4096), n, n)), [None, Some(16384)]);
        assert_eq!(cells(None, 8192, 8192), None);
    }

    /// A store whose layers with a window have as few cells as can be, and a sequence of 400 tokens in it.
    fn read() -> (Store, SequenceId, CpuMemory) {
        let mut memory = CpuMemory::default();
        let near = Near::new(vec![Some(8), None], 512, 1152, 16);
        let mut store = Store::with_windows([[16; 2]; 2], KvType::F32, 1152, near, &mut memory).expect("cells");
        store.limit_near(0);
        let id = store.open(400, &mut memory).expect("a sequence");
        for at in (0..400).step_by(16) {
            store.make_ready(&[(id, at, at + 16)], &mut memory).expect("blocks");
            (at..at + 16).for_each(|position| store.check(id, position).expect("a window"));
            store.push(id, &[7; 16]);
        }
        (store, id, memory)
    }

    #[test]
    fn a_sequence_goes_back_as_far_as_its_window_is_there() {
        let (mut store, id, mut memory) = read();
        // The first four of thirteen blocks made room for others.
        assert_eq!(store.near_cells(), Some([288, 0]));
        assert_eq!([400, 399, 200, 140, 130, 100].map(|to| store.reach(id, to)), [400, 399, 200, 140, 0, 0]);
        // Without what is copied of a block, if that had to go for the copy.
        let other = store.fork(id, 200, 300, &mut memory).expect("a copy");
        assert!((192..=200).contains(&store.get(other).expect("a copy").tokens.len()));
        let far = store.get(other).expect("a copy").tokens.len() as u32;
        store.make_ready(&[(other, far, far + 16)], &mut memory).expect("blocks");
        (far..far + 16).for_each(|position| store.check(other, position).expect("a window"));
        // Neither two under way and a third, nor what is written into others' blocks.
        assert!(store.has_near_for(Some(400)));
        [id, other].into_iter().for_each(|id| store.hold(id, true));
        assert!(store.has_near_for(None) && !store.has_near_for(Some(400)));
        assert_eq!(store.rewind(id, 396), 396);
        assert_eq!(store.rewind(id, 100), 0);
        [id, other].into_iter().for_each(|id| store.close(id));
        assert_eq!(store.near_cells(), Some([288, 288]));
    }

    #[test]
    fn a_copy_whose_window_went_meanwhile_has_room_of_its_own() {
        let (mut store, id, mut memory) = read();
        store.hold(id, true);
        // The block that the copy is to begin with has to go for it, and the one before is gone.
        assert_eq!(store.reach(id, 140), 140);
        let other = store.fork(id, 140, 300, &mut memory).expect("a copy");
        let copy = store.get(other).expect("a copy");
        assert_eq!((copy.tokens.len(), copy.room()), (0, 320));
        store.make_ready(&[(other, 0, 16)], &mut memory).expect("blocks");
        (0..16).for_each(|position| store.check(other, position).expect("a cell"));
    }
}
