//! What runs a model: loading, the loop of passes and choices, one generation.

pub mod adapters;
pub mod batch;
// What checks is no part of what pages load.
#[cfg(not(target_arch = "wasm32"))]
pub mod check;
pub mod constraint;
pub mod decode;
pub mod embed;
pub mod engine;
pub mod experts;
mod line;
pub mod loader;
pub mod logprobs;
pub mod options;
mod outgrow;
pub mod pace;
pub mod passes;
mod past;
pub mod plan;
pub mod prefix;
pub mod prompt;
pub mod rate;
pub mod repository;
mod request;
pub mod room;
pub mod rows;
pub mod sampler;
pub mod saved;
pub mod schedule;
pub mod session;
pub mod shift;
pub mod speculate;
pub mod stats;
pub mod timings;
mod together;
pub mod tune;
pub mod verdict;
