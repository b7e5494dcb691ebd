//! The kernels, a folder a family, named as in `shaders/`.
//!
//! The build reads the shaders and writes [`table`]: for each kernel its variants, uniforms and buffers as types. What is
//! written by hand is a kernel's work on the CPU ([`face::OnCpu`]): a mirror that tells the truth about it, and for
//! those that the CPU backend records, a kernel in SIMD. Where both are one loop over rows, it is written once
//! ([`rows::Rows`]).

pub mod attention;
pub mod cell;
pub mod choose;
pub mod cpu;
pub mod cut;
pub mod elementwise;
mod experts;
pub mod face;
pub mod gather;
pub mod job;
pub mod judge;
mod lora;
pub mod norm;
pub mod product;
pub mod recurrent;
pub mod rope;
pub mod rows;
pub mod sample;
pub mod table;
pub mod trial;
pub mod weights;
