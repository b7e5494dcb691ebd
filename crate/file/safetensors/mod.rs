//! Repositories of Hugging Face: `config.json`, and weights in files of safetensors, as the [`Catalog`] of a GGUF file.
//!
//! A [`Repository`] reads what stands beside the weights and says in which files these are. With the [`Head`] of each it
//! becomes a [`Converter`], which takes the files' bytes and gives those of a GGUF file: all that reads models reads these.
//! The format: <https://huggingface.co/docs/safetensors>.
//!
//! [`Catalog`]: super::Catalog

mod classes;
mod config;
mod convert;
mod factors;
mod formats;
mod head;
mod index;
mod quantized;

pub use classes::{CLASSES, Class, Heads};
pub use config::parse;
pub use head::{Entry, Head, HeadParser};

use config::Config;
use factors::Factors;
use index::Index;

use super::importance::Importance;
use super::{Converter, Metadata, Value};
use crate::base::error::Result;
use crate::quant::TensorType;
use serde_json::{Map, Value as Json};

/// What matrices of floats become where nobody says: as good as these, in a quarter to a half of their bytes.
pub const USUAL: TensorType = TensorType::Q8_0;

/// What a repository says beside its weights.
pub struct Repository {
    config: Config,
    /// Keys of the model; the caller adds those of its texts.
    pub metadata: Metadata,
    factors: Vec<Factors>,
    index: Index,
}

impl Repository {
    /// `config`: the bytes of `config.json`; `index`: those of `model.safetensors.index.json`, where there is one.
    ///
    /// Errors: `BadMetadata`, `UnsupportedArchitecture`, `UnsupportedTensorType` (weights that are quantised in a way that is not read), `MissingPart`
    /// (an index that names what is no file of the repository).
    pub fn open(name: &str, config: &[u8], index: Option<&[u8]>) -> Result<Repository> {
        let config = Config::read(config)?;
        let mut metadata = Metadata::default();
        let factors = config.keys(&mut metadata)?;
        metadata.insert("general.name", Value::Str(name.into()));
        metadata.insert("general.type", Value::Str("model".into()));
        let index = index.map(Index::read).transpose()?.unwrap_or_default();
        Ok(Repository { config, metadata, factors, index })
    }

    /// As `general.architecture` has it, and what the model has at its end.
    pub fn class(&self) -> &'static Class {
        self.config.class
    }

    /// The members of `config.json`.
    pub fn members(&self) -> &Map<String, Json> {
        self.config.members()
    }

    /// The files of the weights, in the order in which their heads and their bytes are wanted.
    pub fn files(&self) -> Vec<String> {
        self.index.files()
    }

    /// What the files' bytes become, whose heads these are: matrices of this type as far as it suits; without one [`USUAL`], or
    /// what holds the codes of those that are quantised already.
    ///
    /// Errors: `MissingPart` (a tensor that the index promises is not there), `MissingTensor` (one that nothing is known of),
    /// `UnsupportedTensorType`, `BadShape`.
    pub fn convert(self, heads: Vec<Head>, quantize: Option<TensorType>, importance: Importance) -> Result<Converter> {
        self.index.check(&heads)?;
        convert::converter(&self.config, self.metadata, self.factors, heads, quantize, importance)
    }
}

/// Rows of the embedding, by the files' heads: tokens that the network knows.
pub fn rows_of_embedding(class: &Class, heads: &[Head]) -> Option<u64> {
    convert::embedding(class, heads).and_then(|entry| entry.shape.first().copied())
}
