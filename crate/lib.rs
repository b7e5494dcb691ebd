//! Sotto runs large language models inside a web page, on WebGPU or the CPU.
//!
//! A tour, lowest room first; a room knows only those before it:
//! - [`base`]: the error type, cancellation, names that all rooms use. [`quant`]: tensor types, on the CPU and as planes
//!   for the GPU.
//! - [`file`]: a file's header. [`text`]: tokenizers, chat templates, where a text ends.
//! - [`kernels`]: a folder a family, named as in `shaders/`; the table of them, and which variant runs.
//! - [`device`]: buffers, recordings, and what replays them: WebGPU or the CPU.
//! - [`model`]: a model's sizes, its weights in memory, its forward pass, whether there is room for it.
//! - [`run`]: what is loaded and how it came there, the loop of passes and choices, one generation.
//! - [`eval`]: scores and timings.
//! - [`chat`]: requests in OpenAI's shapes, and their answers.
//! - [`wire`]: options, facts, events and results, as pages and commands write them.
//! - `crate/web`, a package of its own: the whole as JavaScript sees it; `bin/sotto`: as a terminal does.

pub mod base;
pub mod chat;
pub mod device;
pub mod eval;
pub mod file;
pub mod kernels;
pub mod model;
pub mod quant;
pub mod run;
pub mod text;
pub mod wire;
