//! The table of kernels, written by the build from `shaders/` (see `build/`).

use bytemuck::{Pod, Zeroable};

use super::face::{Access, Face, Kernel, Mirror, OnCpu, Shader, VariantId};
use crate::base::buffer::BufferId;
use crate::quant::TensorType;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
