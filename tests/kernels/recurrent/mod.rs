//! What goes on from the states of sequences.

mod blocks;
mod conv;
mod delta;
mod delta_blocks;
mod gated_norm;
mod parts_norm;
mod scan;
mod selective_scan;

use sotto::kernels::recurrent::{FromTo, NONE};

use crate::case::Runs;

/// Batches of sequences, given as (state read, state written, rows).
const BATCHES: [&[(u32, u32, u32)]; 4] =
    [&[(NONE, 2, 1)], &[(1, 0, 1)], &[(0, 3, 2), (NONE, 1, 1), (2, 4, 9)], &[(NONE, 0, 33)]];

/// The words of the rows of sequences, given as (state read, state written, rows).
fn from_to(sequences: &[(u32, u32, u32)]) -> Vec<u32> {
    let rows =
        |&(from, to, count): &(u32, u32, u32)| (0..count).map(move |place| -> FromTo { [from, to, place, count] });
    sequences.iter().flat_map(rows).flatten().collect()
}

pub fn run(rig: &mut impl Runs) {
    conv::run(rig);
    scan::run(rig);
    blocks::run(rig);
    delta::run(rig);
    delta_blocks::run(rig);
    gated_norm::run(rig);
    selective_scan::run(rig);
    parts_norm::run(rig);
}
