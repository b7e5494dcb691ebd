//! The tensors of a file against those that its model needs.

use std::collections::HashMap;

use super::architectures::COMMON;
use super::{Architecture, ModelConfig, Role};
use crate::bail;
use crate::base::error::Result;
use crate::file::gguf::{Header, TensorInfo, quoted};

/// Kernels read rows in runs of this many elements.
const ROW_MULTIPLE: u64 = 32;

pub type Tensors<'a> = HashMap<&'a str, &'a TensorInfo>;

pub fn by_name(header: &Header) -> Tensors<'_> {
    header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect()
}

/// Every needed tensor is there in its shape, optional ones in full or not at all, no others.
pub fn check(config: &ModelConfig, arch: &Architecture, tensors: &Tensors) -> Result<()> {
    let mut known = 0;
    for &role in COMMON.iter().chain(arch.required) {
        known += check_role(config, role, tensors)?;
    }
    for group in arch.optional {
        let present =
            |role: &Role| (0..layers(config, *role)).any(|layer| tensors.contains_key(role.name(layer).as_str()));
        if group.iter().any(present) {
            for &role in *group {
                known += check_role(config, role, tensors)?;
            }
        }
    }
    if known < tensors.len() {
        refuse_others(config, arch, tensors)?;
    }
    Ok(())
}

fn layers(config: &ModelConfig, role: Role) -> u32 {
    if role.per_layer() { config.n_layers } else { 1 }
}

/// Returns how many tensors the role has.
fn check_role(config: &ModelConfig, role: Role, tensors: &Tensors) -> Result<usize> {
    let shape = role.shape(config);
    for layer in 0..layers(config, role) {
        let name = role.name(layer);
        let Some(tensor) = tensors.get(name.as_str()) else {
            bail!(
                MissingTensor,
                "The {} model has no tensor {name}; the file is incomplete or of another kind",
                config.arch
            );
        };
        // Writers may add dimensions of 1.
        let given = tensor
            .shape
            .iter()
            .rposition(|&length| length != 1)
            .map_or(&tensor.shape[..1], |last| &tensor.shape[..=last]);
        let wanted = shape.iter().rposition(|&length| length != 1).map_or(&shape[..1], |last| &shape[..=last]);
        if given != wanted {
            bail!(
                BadShape,
                "The tensor {name} has the shape {:?}, the model's sizes ask for {shape:?}; the file needs to be converted again",
                tensor.shape
            );
        }
        if role.is_matrix() && !shape[0].is_multiple_of(ROW_MULTIPLE) {
            bail!(
                BadShape,
                "The tensor {name} has rows of {}, only multiples of {ROW_MULTIPLE} are supported",
                shape[0]
            );
        }
    }
    Ok(layers(config, role) as usize)
}

/// A tensor that goes unused means a model that would run wrongly.
fn refuse_others(config: &ModelConfig, arch: &Architecture, tensors: &Tensors) -> Result<()> {
    let known = |role: &Role| {
        COMMON.contains(role) || arch.required.contains(role) || arch.optional.iter().any(|group| group.contains(role))
    };
    let mut others: Vec<&str> = tensors
        .keys()
        .copied()
        .filter(|name| !Role::of(name).is_some_and(|(role, layer)| known(&role) && layer < layers(config, role)))
        .collect();
    others.sort_unstable();
    match others.first() {
        Some(name) => bail!(
            UnsupportedArchitecture,
            "This {} model has a tensor {} that is not supported",
            config.arch,
            quoted(name)
        ),
        None => Ok(()),
    }
}
