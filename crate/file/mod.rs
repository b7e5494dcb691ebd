//! Files of weights: what they hold, read from their headers as those arrive. A reader of each format makes a
//! [`Catalog`].

pub mod gguf;

mod catalog;
mod metadata;

pub(crate) use catalog::quoted;
pub use catalog::{Catalog, Tensor};
pub use metadata::{Metadata, Value};
