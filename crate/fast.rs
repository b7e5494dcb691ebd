//! Sotto's lowest rooms, of which [`kernels`] and [`quant`] hold the loops over every weight: this package is compiled for
//! speed, those above it for size. `sotto` gives all of them on under its own name.

#![warn(missing_docs)]

pub mod base;
pub mod kernels;
pub mod quant;
