//! Matrix products. The shaders are in `shaders/product`.
//!
//! On the CPU weights are read four rows side by side ([`quads`]) and multiplied as integers ([`activations`], [`dots`]).

pub mod activations;
pub(in crate::kernels) mod coded;
mod dots;
mod floats;
pub(in crate::kernels) mod formats;
mod halves;
pub mod integers;
mod layout;
mod matmul;
mod matvec;
pub mod quads;
mod reference;

pub(in crate::kernels) use dots::unpack;
pub(in crate::kernels) use floats::rows;
pub(in crate::kernels) use formats::{Form, Format, Part, Scales, form, with_format};
pub(in crate::kernels) use layout::{ROWS, SPAN};
