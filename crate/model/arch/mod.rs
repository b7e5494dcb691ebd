//! The architectures: a file a family, which reads keys and returns a [`Net`]. `build.rs` collects the files of this
//! folder, so that adding one takes no other line. Each has
//! - `NAMES`: the values of `general.architecture` that it reads, which are the prefixes of its keys too;
//! - `MODELS`: which models these are, for people;
//! - `net`: the network that a catalog of one of these names describes.

use crate::bail;
use crate::base::error::Result;
use crate::file::{Catalog, quoted};
use crate::model::keys::Keys;
use crate::model::spec::Net;

/// A file of this folder.
pub struct Family {
    /// Values of `general.architecture`.
    pub names: &'static [&'static str],
    /// Which models these are, for people.
    pub models: &'static str,
    net: fn(&Keys) -> Result<Net>,
}

include!(concat!(env!("OUT_DIR"), "/architectures.rs"));

/// Every architecture there is.
pub fn families() -> &'static [Family] {
    FAMILIES
}

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.names.iter().copied())
}

/// The network that a catalog describes. `UnsupportedArchitecture`, `BadMetadata`.
pub fn net(catalog: &Catalog) -> Result<Net> {
    let name = catalog.metadata.need_str("general.architecture")?;
    for family in FAMILIES {
        if let Some(arch) = family.names.iter().find(|known| **known == name) {
            return (family.net)(&Keys::new(catalog, arch)?);
        }
    }
    let known: Vec<&str> = names().collect();
    bail!(
        UnsupportedArchitecture,
        "models of architecture {} are not supported; these are: {}",
        quoted(name),
        known.join(", ")
    )
}
