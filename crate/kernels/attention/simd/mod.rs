//! The kernels of the CPU backend.

pub mod attend;
pub mod attention;
pub mod attention_combine;
pub mod decode_attention;
