//! What goes on from a state of a sequence instead of looking back at all of it. The shaders are in `shaders/recurrent`.

use std::ops::Range;

use crate::kernels::job::View;
use crate::kernels::rows::Lanes;

mod conv;
mod delta;
mod delta_blocks;
mod delta_ready;
mod delta_step;
mod gated_norm;
mod parts_norm;
mod scan;
mod scan_out;
mod scan_ready;
mod scan_states;
mod selective_scan;
mod softplus;

/// Of a row: the state of its sequence that is read, or [`NONE`], and the one that is written, by their numbers; how many rows
/// of the sequence are before this one in the batch, and how many it has in all. They are neighbours.
pub type FromTo = [u32; 4];

/// What a sequence without a token reads: its state is zero.
pub const NONE: u32 = u32::MAX;

/// What a thread does of a batch: a head of a sequence.
struct Part {
    head: usize,
    /// The sequence's rows.
    rows: Range<usize>,
    /// The states that are read and written.
    from: u32,
    to: u32,
}

impl Part {
    /// Of each head there are pieces for all rows, so that neighbours are shared among threads; that of a sequence is the
    /// one of its first row, the others are nothing.
    fn of(from_to: &[u32], rows: u32, piece: usize) -> Option<Part> {
        let [head, row] = [piece / rows as usize, piece % rows as usize];
        let [from, to, place, count] = from_to.as_chunks::<4>().0[row];
        (place == 0).then(|| Part { head, rows: row..row + count as usize, from, to })
    }
}

/// Fours of the state of this number, where it has them; zeros of [`NONE`].
#[inline(always)]
fn load<L: Lanes>(states: View, number: u32, place: impl Fn(u32) -> Range<usize>) -> Vec<L> {
    match number {
        NONE => vec![L::splat(L::Number::default()); place(0).len() / 4],
        number => states.floats(place(number)).as_chunks::<4>().0.iter().map(L::load).collect(),
    }
}

#[inline(always)]
fn store<L: Lanes>(state: Vec<L>, states: View, place: Range<usize>) {
    let next = states.floats_mut(place).as_chunks_mut::<4>().0;
    next.iter_mut().zip(state).for_each(|(next, state)| *next = state.store());
}
