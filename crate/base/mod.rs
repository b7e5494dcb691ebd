//! What every room may use: the error type, cancellation, names of buffers, precisions.

pub mod buffer;
pub mod cancel;
pub mod error;
pub mod precision;
