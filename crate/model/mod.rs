//! A model in memory and its forward pass.

pub mod config;
pub mod fit;
pub mod forward;
pub mod kv_cache;
pub mod rope;
pub mod upload;
pub mod weights;
