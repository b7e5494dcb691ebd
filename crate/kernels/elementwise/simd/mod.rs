//! The kernels of the CPU backend.

pub mod glu;
