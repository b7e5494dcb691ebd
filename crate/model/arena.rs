//! Memory for activations, shared by all layers. What a pass computes takes a slot until it has been read for the last
//! time; then the slot is the next one's. Slots are buffers of their own: a dispatch may not read and write one buffer.
//!
//! Which slot something takes depends on the order of takings alone, never on sizes. So a trial pass of each kind at its
//! largest tells how large the slots must be, and whatever is smaller fits.

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::{Exchange, Memory};

/// Activations: [rows][width] floats.
#[must_use]
pub struct Act {
    pub id: BufferId,
    pub width: u32,
    /// `None`: it has a place of its own.
    slot: Option<usize>,
}

impl Act {
    /// In a buffer of its own.
    pub fn fixed(id: BufferId, width: u32) -> Self {
        Act { id, width, slot: None }
    }
}

/// The slots, in buffers.
#[derive(Default)]
pub struct Arena {
    slots: Vec<Slot>,
}

struct Slot {
    buffer: BufferId,
    bytes: u64,
}

/// The bytes that each slot must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(Vec<u64>);

impl Needs {
    /// What suits both.
    pub fn join(&mut self, other: Needs) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(other.0).for_each(|(bytes, other)| *bytes = (*bytes).max(other));
    }

    /// Bytes of the largest slot.
    pub fn largest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or_default()
    }
}

impl Arena {
    /// Fails as `memory` does.
    pub fn place(needs: &Needs, memory: &mut dyn Memory) -> Result<Self> {
        let slots = needs.0.iter().enumerate();
        let slot = |(i, &bytes)| Ok(Slot { buffer: memory.alloc(&format!("activations {i}"), bytes)?, bytes });
        Ok(Arena { slots: slots.map(slot).collect::<Result<_>>()? })
    }

    /// Room for these too; what is in slots that grow is lost. Fails as `memory` does, and what fits then is what fitted.
    pub fn grow(&mut self, needs: &Needs, memory: &mut dyn Exchange) -> Result<()> {
        for (i, &bytes) in needs.0.iter().enumerate() {
            if self.slots.get(i).is_some_and(|slot| slot.bytes >= bytes) {
                continue;
            }
            let slot = Slot { buffer: memory.alloc(&format!("activations {i}"), bytes)?, bytes };
            match self.slots.get_mut(i) {
                Some(before) => memory.free(std::mem::replace(before, slot).buffer),
                None => self.slots.push(slot),
            }
        }
        Ok(())
    }
}

/// Which slots are taken while a pass is recorded.
pub struct Acts<'a> {
    /// `None`: in a trial, whose buffers do not exist.
    arena: Option<&'a Arena>,
    taken: Vec<bool>,
    needs: Needs,
}

impl<'a> Acts<'a> {
    /// Of an arena, or of none yet: then buffers are made up, and [`Acts::needs`] says what an arena must have.
    pub fn new(arena: Option<&'a Arena>) -> Self {
        Acts { arena, taken: Vec::new(), needs: Needs::default() }
    }

    /// The first free slot. `Internal` where it is too small: no trial was like this pass.
    pub fn take(&mut self, rows: u32, width: u32) -> Result<Act> {
        let slot = self.taken.iter().position(|taken| !taken).unwrap_or(self.taken.len());
        if slot == self.taken.len() {
            self.taken.push(false);
            self.needs.0.push(0);
        }
        self.taken[slot] = true;
        let bytes = u64::from(rows) * u64::from(width) * 4;
        self.needs.0[slot] = self.needs.0[slot].max(bytes);
        let id = match self.arena {
            None => BufferId(usize::MAX - slot),
            Some(arena) => match arena.slots.get(slot).filter(|slot| slot.bytes >= bytes) {
                Some(slot) => slot.buffer,
                None => bail!(Internal, "There is no room for {rows} rows of {width} activations."),
            },
        };
        Ok(Act { id, width, slot: Some(slot) })
    }

    /// The activations have been read for the last time.
    pub fn free(&mut self, act: Act) {
        if let Some(slot) = act.slot {
            self.taken[slot] = false;
        }
    }

    /// What was taken. Everything has to be free again.
    pub fn needs(self) -> Result<Needs> {
        if self.taken.contains(&true) {
            bail!(Internal, "Activations of a pass were not given back.");
        }
        Ok(self.needs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_in_order_and_used_again() {
        let mut acts = Acts::new(None);
        let first = acts.take(2, 8).unwrap();
        let second = acts.take(2, 32).unwrap();
        assert_ne!(first.id, second.id);
        let id = first.id;
        acts.free(first);
        let third = acts.take(2, 16).unwrap();
        assert_eq!(third.id, id);
        acts.free(second);
        acts.free(third);
        assert_eq!(acts.needs().unwrap(), Needs(vec![128, 256]));
    }

    #[test]
    fn what_is_too_large_or_not_given_back_is_an_error() {
        let arena = Arena { slots: vec![Slot { buffer: BufferId(7), bytes: 128 }] };
        let mut acts = Acts::new(Some(&arena));
        assert!(acts.take(3, 16).is_err());
        let mut acts = Acts::new(Some(&arena));
        assert_eq!(acts.take(2, 16).unwrap().id, BufferId(7));
        assert!(acts.take(1, 1).is_err());
        assert!(acts.needs().is_err());
    }

    #[test]
    fn needs_join_to_the_larger_ones() {
        let mut needs = Needs(vec![4, 8]);
        needs.join(Needs(vec![6, 2, 1]));
        assert_eq!(needs, Needs(vec![6, 8, 1]));
    }
}
