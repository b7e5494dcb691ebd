//! What the tensors of a repository become: those of a GGUF file.

use std::collections::HashSet;

use super::USUAL;
use super::classes::Class;
use super::config::Config;
use super::factors::Factors;
use super::head::{Entry, Head};
use super::quantized::Entries;
use crate::bail;
use crate::base::error::Result;
use crate::file::convert::{Converter, From, Job, MOST_UNIT, Plan};
use crate::file::importance::{self, Importance};
use crate::file::mix::Mix;
use crate::file::names::{Found, Names};
use crate::file::{Metadata, quoted};
use crate::quant::TensorType;

/// Errors: those of [`Repository::convert`](super::Repository::convert).
pub(super) fn converter(
    config: &Config,
    metadata: Metadata,
    factors: Vec<Factors>,
    heads: Vec<Head>,
    quantize: Option<TensorType>,
    mut importance: Importance,
) -> Result<Converter> {
    let class = config.class;
    let names = names(class)?;
    let mix = Mix::new(quantize.unwrap_or(USUAL), &metadata)?.by_importance(!importance.is_empty());
    let mut plan = Plan::default();
    for Factors { name, values } in factors {
        plan.put(name.into(), &values);
    }
    let (mut ends, mut start) = (Vec::new(), 0);
    let mut taken = HashSet::new();
    let quantized = config.quantized.as_ref();
    let entries = if quantized.is_some() { entries(&heads) } else { Entries::new() };
    for head in &heads {
        for entry in &head.entries {
            if class.leaves(&entry.name) || quantized.is_some_and(|all| all.is_beside(&entry.name, &entries)) {
                continue;
            }
            let module = quantized.and_then(|all| Some((all, all.module(entry)?)));
            let named = module.map_or(entry.name.clone(), |(_, module)| format!("{module}.weight"));
            let (name, halves, one_less) = match names.tensor(&named) {
                Found::Taken { name, .. } if name == "output.weight" && config.is_tied() => continue,
                Found::Taken { name, halves, one_less } => (name, halves, one_less),
                Found::Unused => continue,
                Found::Unknown => bail!(
                    MissingTensor,
                    "The repository has a tensor {}, which a {} model is not known to have; take a GGUF file of the model",
                    quoted(&entry.name),
                    class.name
                ),
            };
            if !taken.insert(name.clone()) {
                // What fills in masked words has its bias under two names.
                if name == "output.bias" {
                    continue;
                }
                bail!(BadHeader, "The repository has two tensors for {}; take another of the model", quoted(&name));
            }
            let (from, shape) = match module {
                Some((all, module)) => {
                    let packed = all.matrix(module, entry, &entries)?;
                    let shape = vec![packed.columns as u64, packed.rows as u64];
                    (From::Packed(Box::new(packed)), shape)
                }
                None => (From::Type(float(entry)?), upright(entry)?),
            };
            let held = if quantize.is_none() { from.held() } else { None };
            let to = held.unwrap_or_else(|| mix.target(&name, &shape));
            let head = if halves { Some(config.head_dim()? as usize) } else { None };
            let row = if shape.len() > 1 { shape[0] } else { 1 };
            let Some(row) = usize::try_from(row).ok().filter(|row| *row <= MOST_UNIT / head.unwrap_or(1)) else {
                bail!(
                    BadShape,
                    "The tensor {} has rows of {row}, which are longer than any model's; take another repository",
                    quoted(&entry.name)
                );
            };
            let elements: u64 = shape.iter().product();
            if head.is_some_and(|head| !elements.is_multiple_of((head * row) as u64)) {
                bail!(
                    BadShape,
                    "The tensor {} has no whole heads; take another repository of the model",
                    quoted(&entry.name)
                );
            }
            let add = if one_less { 1.0 } else { 0.0 };
            let importance = importance::take(&mut importance, &name, &shape)?;
            plan.place(name.clone(), shape, to);
            plan.jobs.push_back(Job {
                name: entry.name.clone(),
                offset: start + entry.offset,
                bytes: entry.bytes,
                from,
                to,
                row,
                head,
                add,
                as_held: held.is_some(),
                importance,
            });
        }
        start += head.file_bytes;
        ends.push(start);
    }
    Ok(plan.finish(metadata, ends))
}

/// All tensors by their names.
fn entries(heads: &[Head]) -> Entries<'_> {
    let mut start = 0;
    let mut entries = Entries::new();
    for head in heads {
        entries.extend(head.entries.iter().map(|entry| (entry.name.as_str(), (start, entry))));
        start += head.file_bytes;
    }
    entries
}

fn names(class: &Class) -> Result<&'static Names> {
    match Names::of(class.arch) {
        Some(names) => Ok(names),
        None => bail!(Internal, "There are no names of tensors for {}", class.arch),
    }
}

/// The embedding's entry.
pub(super) fn embedding<'a>(class: &Class, heads: &'a [Head]) -> Option<&'a Entry> {
    let names = Names::of(class.arch)?;
    let is =
        |entry: &&Entry| matches!(names.tensor(&entry.name), Found::Taken { name, .. } if name == "token_embd.weight");
    heads.iter().flat_map(|head| &head.entries).find(is)
}

fn float(entry: &Entry) -> Result<TensorType> {
    match entry.float() {
        Some(kind) => Ok(kind),
        None => bail!(
            UnsupportedTensorType,
            "The repository's tensor {} has the type {}; F32, F16 and BF16 are read: take the repository of the floats, or a GGUF file",
            quoted(&entry.name),
            quoted(&entry.dtype)
        ),
    }
}

/// A shape with the length of a row first.
fn upright(entry: &Entry) -> Result<Vec<u64>> {
    let shape: Vec<u64> = entry.shape.iter().rev().copied().collect();
    if !matches!(shape.len(), 1 | 2) || shape.contains(&0) {
        bail!(
            BadShape,
            "The repository's tensor {} has the shape {:?}, not that of a matrix or a list; take another of the model",
            quoted(&entry.name),
            entry.shape
        );
    }
    Ok(shape)
}
