//! The kernels of the CPU backend.

pub mod head;
pub mod rope_kv;
