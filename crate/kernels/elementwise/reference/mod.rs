//! The mirrors: the truth that the other kernels are tested against.

pub mod glu;
