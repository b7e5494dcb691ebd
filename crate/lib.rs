//! Sotto runs large language models inside a web page, on WebGPU or the CPU.
//!
//! A tour, lowest room first; a room knows only those before it:
//! - [`base`]: the error type, cancellation, names that all rooms use. [`quant`]: tensor types, on the CPU and as planes
//!   for the GPU.
//! - [`file`]: a file's header. [`text`]: tokenizers, chat templates, where a text ends.
//! - [`chat`]: how models call tools and think aloud, and a reply taken apart while it streams.
//! - [`kernels`]: a folder a family, named as in `shaders/`; the table of them, and which variant runs.
//! - [`device`]: buffers, recordings, and what replays them: WebGPU or the CPU.
//! - [`model`]: a model's sizes, its weights in memory, its forward pass, whether there is room for it.
//! - [`run`]: what is loaded and how it came there, the loop of passes and choices, one generation.
//! - [`eval`]: scores and timings.
//! - [`chat`]: requests in OpenAI's shapes, and their answers.
//! - [`wire`]: options, facts, events and results, as pages and commands write them.
//! - `crate/web`, a package of its own: the whole as JavaScript sees it; `bin/sotto`: as a terminal does.
//!
//! From the bytes of a file to a reply:
//!
//! ```
//! use sotto::device::Backend;
//! use sotto::run::engine::Prompt;
//! use sotto::run::loader::{LoadOptions, Loader};
//! use sotto::run::session::{GenerateOptions, Generation, Step};
//!
//! # fn main() -> sotto::base::error::Result<()> {
//! # let file = tiny_models::build("llama-f32").expect("a model of random weights");
//! pollster::block_on(async {
//!     let mut loader = Loader::new(LoadOptions { backend: Backend::Cpu, ..Default::default() }).await?;
//!     for bytes in file.chunks(1 << 16) {
//!         loader.push(bytes)?;
//!         loader.drain().await?;
//!     }
//!     let mut engine = loader.finish().await?;
//!
//!     let options = GenerateOptions { max_tokens: Some(8), ..Default::default() };
//!     let mut generation = Generation::new(&mut engine, &Prompt::Raw("Once upon".into()), options)?;
//!     while let Some(step) = generation.next(&mut engine).await? {
//!         if let Step::Token { text, .. } = step {
//!             print!("{text}");
//!         }
//!     }
//!     assert!(generation.tokens.len() <= 8);
//!     Ok(())
//! })
//! # }
//! ```

#![warn(missing_docs)]

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
