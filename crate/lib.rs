//! Sotto runs large language models inside a web page, on WebGPU or the CPU.
//!
//! A tour, from below to above; a module knows only those before it:
//! - [`error`]: the one error type. [`quant`]: tensor types, on the CPU and as planes for the GPU.
//! - [`gguf`] parses a file's header, [`config`] makes a model's sizes of it, [`tokenizer`] and [`chat`] its text side.
//! - [`params`], [`memory`]: what kernels get. [`cpu`]: a mirror for each kernel. [`simd`]: the hot ones for the
//!   CPU backend. [`kernels`]: the table of them.
//! - [`recording`]: a list of dispatches. [`turn`]: whose work is done. [`gpu`]: a device that replays a recording by
//!   WebGPU. [`device`]: that one, or the CPU.
//! - [`weights`], [`upload`]: from the file's bytes to buffers. [`rope`], [`kv_cache`], [`batch`]: the rest of a pass.
//! - [`choice`]: which variant of a kernel runs. [`forward`]: the transformer. [`fit`]: whether there is
//!   room for it.
//! - [`sampler`]: from logits to a token. [`decode`]: the loop of both, on the GPU.
//! - [`tune`]: the fastest kernels, by measurement. [`engine`]: what is loaded. [`loader`]: how it came there.
//! - [`stop`]: where a text ends. [`session`]: one generation. [`measure`]: scores and timings.
//! - `web`: the whole as JavaScript sees it.

pub mod batch;
pub mod chat;
pub mod choice;
pub mod config;
pub mod cpu;
pub mod decode;
pub mod device;
pub mod engine;
pub mod error;
pub mod fit;
pub mod forward;
pub mod gguf;
pub mod gpu;
pub mod kernels;
pub mod kv_cache;
pub mod loader;
pub mod measure;
pub mod memory;
pub mod params;
pub mod quant;
pub mod recording;
pub mod rope;
pub mod sampler;
pub mod session;
pub mod simd;
pub mod stop;
pub mod tokenizer;
pub mod tune;
pub mod turn;
pub mod upload;
#[cfg(target_arch = "wasm32")]
mod web;
pub mod weights;
