//! Kernels of the family `norm`: norms of rows. The shaders are in `shaders/norm`.

pub mod reference;
pub mod simd;
