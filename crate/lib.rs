pub mod error;
pub mod quant;
