//! The kernels of the CPU backend.

pub mod activations;
pub mod floats;
pub mod formats;
pub mod matmul;
pub mod matvec;
pub mod products;
pub mod quads;
