//! The kernels of the CPU backend.

pub mod sample;
pub mod sample_bins;
pub mod sample_gather;
