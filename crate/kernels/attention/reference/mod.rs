//! The mirrors: the truth that the other kernels are tested against.

pub mod attention;
pub mod attention_combine;
pub mod decode_attention;
