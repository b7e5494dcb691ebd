//! What the kernels of the CPU backend share: the same parameters and buffers as the shaders, in 128-bit SIMD, cut into
//! pieces that threads can share. The mirrors are the truth that they are tested against.
//!
//! Weight matrices are read in the arrangement of [`quads`](crate::kernels::product::simd::quads), which a matrix is
//! brought into once it has been loaded.

pub mod half;
pub mod math;
mod scratch;

use std::ops::Range;

pub use scratch::{Scratch, sized};

use super::job::Job;

/// A kernel that runs on the CPU.
#[derive(Debug)]
pub struct Kernel {
    /// The pieces that a dispatch can be cut into: each writes its own part of the results.
    pub pieces: fn(&Job) -> usize,
    /// Does some of them.
    pub run: fn(&Job, Range<usize>, &mut Scratch),
}
