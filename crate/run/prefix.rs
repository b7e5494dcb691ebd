//! Which sequence a prompt goes on with: what was computed of an earlier prompt that starts alike is not computed again.

use std::cmp::Reverse;

use crate::base::error::Result;
use crate::device::memory::Moves;
use crate::kernels::cell::BLOCK;
use crate::model::adapter::Blend;
use crate::model::store::{Sequence, SequenceId, Store};

/// How a prompt comes to a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To a new one.
    Open,
    /// To this one, whose first `shared` tokens are the prompt's; what came after them is forgotten.
    Continue {
        /// The sequence.
        id: SequenceId,
        /// How many of its tokens stay.
        shared: u32,
    },
    /// To a new one that starts with a copy of this one's first `shared` tokens.
    Fork {
        /// The sequence that is copied.
        of: SequenceId,
        /// How many of its tokens are.
        shared: u32,
    },
    /// Once this one is forgotten, to whatever is right then.
    Close(SequenceId),
}

/// A sequence that starts as the prompt does.
struct Match<'a> {
    sequence: &'a Sequence,
    shared: usize,
    /// The whole prompt is in it.
    whole: bool,
}

impl Match<'_> {
    /// Its tokens after the shared ones.
    fn rest(&self) -> usize {
        self.sequence.tokens.len() - self.shared
    }
}

/// Of the sequences that were read with the same adapters, the one that shares most goes on, or lends a copy of what it shares:
/// - It goes on where that costs it nothing, or just a reply to this very prompt that is to be made anew.
/// - Else it is another text's: it stays as it is while there is room for both.
/// - One in which a request is under way only lends, and so does one that is kept, as long as others can go for it.
/// - What was shifted goes on only with what may be (`cut`), but for its beginning.
/// - Without room, it goes on if it keeps more than it loses, or was used longest ago; else the one that was makes room.
pub fn choose(store: &Store, prompt: &[u32], blend: &Blend, cut: bool) -> Choice {
    let Some(best) = best(store, prompt, blend, cut) else { return Choice::Open };
    let (id, shared, rest) = (best.sequence.id, best.shared as u32, best.rest());
    // A copy shares the blocks that are full.
    let has_room = store.free() + shared / BLOCK * BLOCK >= prompt.len() as u32;
    let keeps_most = rest < best.shared;
    let held = best.sequence.held;
    // Its own text once more costs it nothing.
    let kept = best.sequence.kept && !(best.whole && rest <= 1);
    if !held && !kept && (rest == 0 || keeps_most && (best.whole || !has_room)) {
        return Choice::Continue { id, shared };
    }
    if has_room {
        return Choice::Fork { of: id, shared };
    }
    match store.oldest(None) {
        Some(oldest) if oldest != id => Choice::Close(oldest),
        _ if held => Choice::Open,
        _ => Choice::Continue { id, shared },
    }
}

/// Cells of a prompt that are there already, and stay whoever goes: it needs so many less.
pub fn lent(store: &Store, prompt: &[u32], blend: &Blend, cut: bool) -> u32 {
    best(store, prompt, blend, cut).map_or(0, |best| store.held_of(best.sequence.id, best.shared as u32))
}

/// The sequence that shares most of the prompt's beginning.
fn best<'a>(store: &'a Store, prompt: &[u32], blend: &Blend, cut: bool) -> Option<Match<'a>> {
    let alike = store.sequences().iter().filter(|sequence| sequence.blend == *blend);
    let matches = alike.map(|sequence| {
        let served = &sequence.tokens[..sequence.serves(cut)];
        let same = served.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        // The last token is computed in any case: its logits are wanted.
        let shared = store.reach(sequence.id, same.min(prompt.len() - 1) as u32) as usize;
        Match { sequence, shared, whole: same == prompt.len() }
    });
    let best = matches.max_by_key(|m| (m.shared, Reverse(m.rest()), Reverse(m.sequence.used)));
    best.filter(|m| m.shared > 0)
}

/// A sequence with room for the prompt, in which the first of its tokens may be there already: never all of them.
pub fn take(store: &mut Store, prompt: &[u32], blend: &Blend, cut: bool, memory: &mut dyn Moves) -> Result<SequenceId> {
    let room = prompt.len() as u32;
    loop {
        match choose(store, prompt, blend, cut) {
            Choice::Open => return store.open_with(room, blend, memory),
            Choice::Fork { of, shared } => return store.fork(of, shared, room, memory),
            Choice::Continue { id, shared } => {
                store.rewind(id, shared);
                store.touch(id);
                store.reserve(id, room, memory)?;
                return Ok(id);
            }
            Choice::Close(id) => store.evict(id),
        }
    }
}
