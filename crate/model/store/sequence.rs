//! What a store knows of a text that was read.

use std::ops::Range;

use crate::kernels::cell::BLOCK;
use crate::model::adapter::Blend;

/// Names a sequence of a store, and never another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceId(pub u32);

/// In place of a block that a sequence does not have any more.
pub const GONE: u32 = u32::MAX;

/// Neighbouring cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub first: u32,
    /// How many they are.
    pub count: u32,
}

/// A text that a model has read, token by token.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its name.
    pub id: SequenceId,
    /// Those whose keys and values are kept, by position.
    pub tokens: Vec<u32>,
    /// Which blocks have the cells of `tokens`, and room for more.
    pub blocks: Vec<u32>,
    /// The same of layers with a window, as far as they are there, or [`GONE`].
    pub near: Vec<u32>,
    /// The position that was computed last began here, which may be behind `tokens`.
    pub(super) front: u32,
    /// Where its prompt ends.
    pub(super) mark: u32,
    /// Larger than that of any sequence used before.
    pub used: u64,
    /// A request is under way in it: it does not go for others.
    pub held: bool,
    /// Others go before it, and what goes on with it takes a copy.
    pub kept: bool,
    /// The adapters that it is read with: keys and values are theirs too.
    pub blend: Blend,
    /// It is one of texts that lie one right behind the other ([`Store::lay`](super::Store::lay)): its first cell, counted from
    /// its first block's.
    pub laid: Option<u32>,
    /// From this position on keys and values were moved there ([`Store::cut_out`](super::Store::cut_out)), and remember what is
    /// gone.
    pub shifted: Option<u32>,
}

impl Sequence {
    pub(super) fn new(id: SequenceId) -> Self {
        Sequence {
            id,
            tokens: Vec::new(),
            blocks: Vec::new(),
            near: Vec::new(),
            front: 0,
            mark: 0,
            used: 0,
            held: false,
            kept: false,
            blend: Blend::new(),
            laid: None,
            shifted: None,
        }
    }

    /// How many of its tokens serve a text: one that was `cut` goes on with what was shifted, too.
    pub fn serves(&self, cut: bool) -> usize {
        self.shifted.filter(|_| !cut).map_or(self.tokens.len(), |at| self.tokens.len().min(at as usize))
    }

    /// Cells of its blocks.
    pub fn room(&self) -> u32 {
        self.blocks.len() as u32 * BLOCK
    }

    /// The first cell of each of the blocks in which so many positions lie, as kernels look for them.
    pub fn table(&self, positions: u32) -> impl Iterator<Item = u32> {
        let begin = self.laid.unwrap_or(0);
        self.blocks.iter().take(positions.div_ceil(BLOCK) as usize).map(move |block| block * BLOCK + begin)
    }

    /// The same of layers with a window; what is gone is never looked for, and stands for any cell.
    pub fn near_table(&self, positions: u32) -> impl Iterator<Item = u32> {
        let blocks = self.near.iter().take(positions.div_ceil(BLOCK) as usize);
        blocks.map(|block| if *block == GONE { 0 } else { block * BLOCK })
    }

    /// Which block its next token goes to, if there are some in it already.
    pub(super) fn broken(&self) -> Option<usize> {
        let len = self.tokens.len() as u32;
        (!len.is_multiple_of(BLOCK)).then_some((len / BLOCK) as usize)
    }

    /// The cells of some positions, in their order, those that are neighbours together.
    pub fn runs(&self, positions: Range<u32>) -> Vec<Run> {
        runs(&self.blocks, positions)
    }

    /// The same of layers with a window; `None` where they are not all there.
    pub fn near_runs(&self, positions: Range<u32>) -> Option<Vec<Run>> {
        let blocks = (positions.start / BLOCK) as usize..positions.end.div_ceil(BLOCK) as usize;
        let all = self.near.get(blocks)?.iter().all(|block| *block != GONE);
        all.then(|| runs(&self.near, positions))
    }
}

fn runs(blocks: &[u32], positions: Range<u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for at in stretches(positions) {
        let first = blocks[(at.start / BLOCK) as usize] * BLOCK + at.start % BLOCK;
        match runs.last_mut() {
            Some(last) if last.first + last.count == first => last.count += at.len() as u32,
            _ => runs.push(Run { first, count: at.len() as u32 }),
        }
    }
    runs
}

/// Positions, block by block.
fn stretches(positions: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let blocks = positions.start / BLOCK..positions.end.div_ceil(BLOCK);
    let each = move |block: u32| (block * BLOCK).max(positions.start)..((block + 1) * BLOCK).min(positions.end);
    blocks.map(each).filter(|at| !at.is_empty())
}

/// The first cells of `from` go to those of `to`, one after the other: as few copies as do it.
pub(super) fn copies(from: &[Run], to: &[Run]) -> Vec<(Run, u32)> {
    let (mut from, mut to) = (from.iter().copied(), to.iter().copied());
    let (mut source, mut target) = (from.next(), to.next());
    let mut copies = Vec::new();
    while let (Some(a), Some(b)) = (source, target) {
        let count = a.count.min(b.count);
        copies.push((Run { count, ..a }, b.first));
        let rest =
            |run: Run| Some(Run { first: run.first + count, count: run.count - count }).filter(|run| run.count > 0);
        source = rest(a).or_else(|| from.next());
        target = rest(b).or_else(|| to.next());
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_copied_together() {
        let sequence = Sequence { blocks: vec![4, 5, 1, 2, 9], ..Sequence::new(SequenceId(0)) };
        let run = |first, count| Run { first, count };
        assert_eq!(sequence.runs(0..160), [run(128, 64), run(32, 64), run(288, 32)]);
        assert_eq!(sequence.runs(30..70), [run(158, 34), run(32, 6)]);
        assert_eq!(sequence.runs(33..40), [run(161, 7)]);
        assert_eq!(sequence.runs(64..64), []);
        let all = copies(&sequence.runs(40..150), &sequence.runs(10..120));
        assert_eq!(all, [(run(168, 24), 138), (run(32, 30), 162), (run(62, 34), 32), (run(288, 22), 66)]);
        assert_eq!(copies(&sequence.runs(0..1), &sequence.runs(7..7)), []);
    }
}
