//! What runs a model: loading, the loop of passes and choices, one generation.

pub mod batch;
pub mod constraint;
pub mod decode;
pub mod embed;
pub mod engine;
mod line;
pub mod loader;
pub mod logprobs;
pub mod pace;
pub mod passes;
pub mod plan;
pub mod prefix;
pub mod prompt;
pub mod rate;
mod request;
pub mod room;
pub mod sampler;
pub mod schedule;
pub mod session;
pub mod speculate;
pub mod stats;
pub mod timings;
mod together;
pub mod tune;
pub mod verdict;
