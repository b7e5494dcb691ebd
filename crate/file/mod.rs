//! Files of weights: their headers, as they arrive.

pub mod gguf;
