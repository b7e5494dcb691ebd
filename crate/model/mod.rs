//! A model in memory and its forward pass.
//!
//! A catalog becomes a [`spec::Net`] by its architecture's file ([`arch`]), plain data from which weights are declared
//! and placed ([`place`]), and passes recorded ([`forward`], a file a kind of block in `blocks/`).

pub mod adapter;
pub mod arch;
mod arena;
mod blocks;
mod delta;
mod experts;
pub mod filled;
pub mod fit;
pub mod forward;
mod gives;
mod head;
mod keys;
mod latent;
mod mamba;
pub mod place;
pub mod rope;
mod shift;
pub mod spec;
pub mod store;
pub mod upload;

use crate::bail;
use crate::base::error::Result;
use crate::file::Catalog;

/// The network that a catalog describes, after a check that every tensor it needs is there with the shape that it must
/// have, and that there is none which would go unused.
///
/// Errors: `NotAModel`, `UnsupportedArchitecture`, `BadMetadata`, `MissingTensor`, `BadShape`.
pub fn read(catalog: &Catalog) -> Result<spec::Net> {
    refuse_companions(catalog.metadata.str("general.type")?)?;
    let net = arch::net(catalog)?;
    blocks::Network::place(catalog, &net, 1, &mut fit::Counter::new(u64::MAX))?;
    Ok(net)
}

/// Files that go with a model say so in `general.type`; without its weights they are of no use.
const COMPANIONS: &[(&str, &str)] = &[
    ("adapter", "a LoRA adapter"),
    ("imatrix", "an importance matrix, which converters quantize by"),
    ("mmproj", "a projector, with which models see images or hear"),
    ("clip-vision", "a projector, with which models see images"),
    ("vocab", "a vocabulary, which loadText reads"),
];

fn refuse_companions(kind: Option<&str>) -> Result<()> {
    match COMPANIONS.iter().find(|(name, _)| Some(*name) == kind) {
        Some((_, what)) => bail!(NotAModel, "The file is no model but {what}; load the model that it belongs to."),
        None => Ok(()),
    }
}
