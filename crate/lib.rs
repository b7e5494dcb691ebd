//! Sotto runs large language models on WebGPU. From below to above, each module knows only those before it.

pub mod batch;
pub mod config;
pub mod cpu;
pub mod error;
pub mod forward;
pub mod gguf;
pub mod gpu;
pub mod kernels;
pub mod kv_cache;
pub mod memory;
pub mod params;
pub mod quant;
pub mod recording;
pub mod rope;
pub mod upload;
pub mod weights;
