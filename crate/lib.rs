//! Sotto runs large language models inside a web page, on WebGPU or the CPU.
//!
//! A tour, lowest room first; a room knows only those before it:
//! - [`base`]: the error type, cancellation, names that all rooms use. [`quant`]: tensor types, on the CPU and as planes
//!   for the GPU.
//!   [`kernels`]: a folder a family, named as in `shaders/`; the table of them, and which variant runs. These three are a
//!   package of their own, `fast.rs`.
//! - [`file`]: a file's header. [`text`]: tokenizers, chat templates, where a text ends.
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

pub use sotto_fast::{bail, base, kernels, quant};

pub mod chat;
pub mod device;
pub mod eval;
pub mod file;
pub mod model;
pub mod run;
pub mod text;
pub mod wire;
