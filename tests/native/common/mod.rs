//! What several tests need.

pub mod blocks;
pub mod described;
pub mod gguf_writer;
pub mod grammars;
pub mod memory;
pub mod models;
pub mod mutate;
pub mod run;
pub mod twin;
