//! What goes on from a state of a sequence instead of looking back at all of it. The shaders are in `shaders/recurrent`.

mod conv;
mod delta;
mod gated_norm;
mod parts_norm;
mod scan;
mod selective_scan;
mod softplus;

/// Of a row: the state of its sequence that is read, or [`NONE`], and the one that is written, by their numbers; how many rows
/// of the sequence are before this one in the batch, and how many it has in all. They are neighbours.
pub type FromTo = [u32; 4];

/// What a sequence without a token reads: its state is zero.
pub const NONE: u32 = u32::MAX;
