//! Kernels of the family `product`: matrix products. The shaders are in `shaders/product`.

pub mod reference;
pub mod simd;
