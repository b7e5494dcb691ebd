//! What every room may use: the error type, cancellation, names of buffers, precisions, what a page does otherwise.

pub mod buffer;
pub mod cancel;
pub mod error;
pub mod many;
pub mod platform;
pub mod precision;
