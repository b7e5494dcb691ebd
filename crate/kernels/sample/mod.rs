//! Kernels of the family `sample`: the choice of the next token. The shaders are in `shaders/sample`.

pub mod reference;
pub mod simd;
