//! Kernels of the family `elementwise`: gated activations. The shaders are in `shaders/elementwise`.

pub mod reference;
pub mod simd;
