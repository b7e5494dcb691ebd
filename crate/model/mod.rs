//! A model in memory and its forward pass.

pub mod config;
pub mod fit;
pub mod forward;
pub mod rope;
pub mod store;
pub mod upload;
pub mod weights;
