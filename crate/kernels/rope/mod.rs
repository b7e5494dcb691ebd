//! Kernels of the family `rope`: norm, rotation and cache write of heads. The shaders are in `shaders/rope`.

pub mod reference;
pub mod simd;
