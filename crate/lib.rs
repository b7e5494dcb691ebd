//! Sotto runs large language models on WebGPU. From below to above, each module knows only those before it.

pub mod error;
pub mod quant;
pub mod gguf;
pub mod config;
pub mod params;
pub mod memory;
pub mod cpu;
pub mod kernels;
pub mod recording;
pub mod gpu;
pub mod weights;
pub mod upload;
pub mod rope;
pub mod kv_cache;
pub mod batch;
pub mod forward;
