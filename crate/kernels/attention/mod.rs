//! Kernels of the family `attention`: attention over the cache. The shaders are in `shaders/attention`.

pub mod reference;
pub mod simd;
