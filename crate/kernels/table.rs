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

use super::face::{Access, Face, Kernel, Mirror, OnCpu, Shader, VariantId};
use crate::base::buffer::BufferId;
use crate::quant::TensorType;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
