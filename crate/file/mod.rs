//! Files of weights: what they hold, read from their headers as those arrive. A reader of each format makes a
//! [`Catalog`].
//!
//! ```
//! use sotto::file::gguf::HeaderParser;
//!
//! # let file = tiny_models::build("llama-f32").expect("a model of random weights");
//! let mut parser = HeaderParser::new();
//! let mut pieces = file.chunks(1000);
//! let header = loop {
//!     // A piece with which the header is whole gives it.
//!     if let Some((header, _)) = parser.push(pieces.next().expect("more of the file"))? {
//!         break header;
//!     }
//! };
//! assert_eq!(header.catalog.metadata.str("general.architecture")?, Some("llama"));
//! assert_eq!(header.catalog.tensors[0].shape.len(), 2);
//! # Ok::<(), sotto::base::error::Error>(())
//! ```

pub mod adapter;
pub mod gguf;
pub mod safetensors;

mod catalog;
mod convert;
pub mod importance;
mod metadata;
mod mix;
mod names;
mod packed;
pub mod requantize;

pub(crate) use catalog::quoted;
pub use catalog::{Catalog, Tensor};
pub use convert::{Converter, Span};
pub use metadata::{Metadata, Value};
