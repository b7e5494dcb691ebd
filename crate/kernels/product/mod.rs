//! Matrix products. The shaders are in `shaders/product`.
//!
//! On the CPU weights are read four rows side by side ([`quads`]) and multiplied as integers ([`activations`], [`dots`]).

pub mod activations;
mod by_head;
pub(in crate::kernels) mod coded;
mod dots;
mod experts;
mod experts_many;
mod floats;
pub(in crate::kernels) mod formats;
mod halves;
pub mod integers;
mod layout;
mod many;
mod matmul;
mod matvec;
pub mod quads;
pub mod rate;
mod reference;

pub(in crate::kernels) use dots::{Unpacked, fill_of};
pub(in crate::kernels) use floats::rows;
pub(in crate::kernels) use formats::{Part, form};
pub(in crate::kernels) use layout::{ROWS, SPAN};
