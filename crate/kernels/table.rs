//! The table of kernels, written by the build from `shaders/` (see `build/`).
#![allow(
    clippy::identity_op,
    clippy::modulo_one,
    clippy::wildcard_imports,
    non_camel_case_types,
    unused_imports,
    unused_mut,
    unused_qualifications,
    reason = "what the build writes is regular, not terse; types keep the names of files' types"
)]

use bytemuck::{Pod, Zeroable};

use super::cpu::Kernel as Simd;
use super::face::{Access, Face, Kernel, Mirror, OnCpu, Shader, VariantId};
use crate::base::buffer::BufferId;
use crate::quant::TensorType;

/// A shader's text, in a build that has WebGPU.
const fn wgsl(text: &'static str) -> &'static str {
    if cfg!(feature = "gpu") { text } else { "" }
}

/// Which texts a shader is made of, likewise.
const fn parts(indices: &'static [u8]) -> &'static [u8] {
    if cfg!(feature = "gpu") { indices } else { &[] }
}

/// The kernel of the CPU backend, in a build that has one.
const fn simd<V: OnCpu>() -> Option<&'static Simd> {
    if cfg!(feature = "cpu") { V::SIMD } else { None }
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
