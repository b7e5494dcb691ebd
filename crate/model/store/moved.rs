//! Sequences that lose tokens before others: cells move up, and what moved remembers what is gone.

use super::sequence::{Sequence, SequenceId, copies};
use super::{Store, blocks};
use crate::device::memory::Moves;
use crate::kernels::cell::BLOCK;

impl Store {
    /// Whether cells can move up: not where layers have no more than their window.
    pub fn moves_up(&self) -> bool {
        self.near.is_none()
    }

    /// Cuts tokens out of a sequence: what is left are the first `before`. The cells of as many as `behind` behind the cut move up to
    /// these; gives their tokens, which are pushed once their keys are those of where they are now. `None` where others use its
    /// blocks and there is no room for copies.
    pub fn cut_out(
        &mut self,
        id: SequenceId,
        before: u32,
        [cut, behind]: [u32; 2],
        memory: &mut dyn Moves,
    ) -> Option<Vec<u32>> {
        let written = (before / BLOCK) as usize..blocks(before + behind) as usize;
        if !self.moves_up() {
            return None;
        }
        let index = loop {
            let index = self.index(id)?;
            let shared = |block: &&u32| self.pool.is_shared(**block);
            if self.sequences[index].blocks[written.clone()].iter().filter(shared).count() as u32 <= self.pool.free() {
                break index;
            }
            let oldest = self.oldest(Some(id))?;
            self.evict(oldest);
        };
        written.for_each(|at| self.make_own(index, at, BLOCK, memory));
        let Sequence { tokens, shifted, .. } = &mut self.sequences[index];
        let moved = tokens[(before + cut) as usize..(before + cut + behind) as usize].to_vec();
        tokens.truncate(before as usize);
        *shifted = shifted.filter(|at| *at < before);
        let [source, target] = [before + cut, before].map(|from| self.sequences[index].runs(from..from + behind));
        self.move_cells(&copies(&source, &target), false, memory);
        self.shed(index, before + behind);
        Some(moved)
    }

    /// Says from where on it was shifted, if that is not known of an earlier place.
    pub fn mark_shifted(&mut self, id: SequenceId, from: Option<u32>) {
        if let Some(index) = self.index(id) {
            let Sequence { tokens, shifted, .. } = &mut self.sequences[index];
            let first = [*shifted, from].into_iter().flatten().min();
            *shifted = first.filter(|at| (*at as usize) < tokens.len());
        }
    }
}
