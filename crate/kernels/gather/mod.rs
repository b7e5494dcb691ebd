//! Kernels of the family `gather`: embedding lookup. The shaders are in `shaders/gather`.

pub mod reference;
pub mod simd;
