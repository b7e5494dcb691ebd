//! A GGUF file in other types: matrices become another type as their bytes come, all else stays as it is.

use std::collections::HashMap;

use super::convert::{Converter, Job, MOST_UNIT, Plan};
use super::gguf::Header;
use super::mix::Mix;
use super::{Value, quoted};
use crate::bail;
use crate::base::error::Result;
use crate::quant::TensorType;

/// How much what is lost of each column of a matrix counts, by the matrix's name.
pub type Importance = HashMap<String, Vec<f32>>;

/// The importance that a file of llama.cpp's program `imatrix` has: `header` is of its whole `bytes`.
///
/// Errors: `BadHeader` where it is no such file.
pub fn read_importance(header: &Header, bytes: &[u8]) -> Result<Importance> {
    let catalog = &header.catalog;
    let numbers = |name: &str| -> Option<Vec<f32>> {
        let tensor = catalog.tensor(name).filter(|tensor| tensor.kind == TensorType::F32)?;
        let bytes = bytes.get(tensor.offset as usize..(tensor.offset + tensor.bytes) as usize)?;
        Some(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let mut found = Importance::new();
    for tensor in &catalog.tensors {
        let Some(name) = tensor.name.strip_suffix(".in_sum2") else { continue };
        let (sums, counts) = (numbers(&tensor.name), numbers(&format!("{name}.counts")));
        let (Some(sums), Some(count)) = (sums, counts.and_then(|counts| counts.first().copied())) else { continue };
        if count > 0.0 {
            found.insert(name.into(), sums.into_iter().map(|sum| sum / count).collect());
        }
    }
    if found.is_empty() {
        bail!(
            BadHeader,
            "The file has no importance of matrices (NAME.in_sum2, NAME.counts); take one that llama-imatrix wrote"
        );
    }
    Ok(found)
}

/// Parts of the names of what is small, or decides much: routers, norms, what layers with a state have beside their projections.
const KEPT: [&str; 7] = ["ffn_gate_inp", "norm", "conv", "ssm_a", "ssm_x", "ssm_dt", "altup"];

/// Takes the bytes of the file with this header and gives those of one whose matrices are of type `to`, some of them of a finer one.
/// `Importance` that is not of a matrix of the file is not looked at.
///
/// Errors: `BadMetadata`, `BadShape` (rows longer than any model's, importance of another length than a row).
pub fn requantize(header: Header, to: TensorType, mut importance: Importance) -> Result<Converter> {
    let mut metadata = header.catalog.metadata;
    let mix = Mix::new(to, &metadata)?.by_importance(!importance.is_empty());
    metadata.insert("general.quantization_version", Value::U64(2));
    metadata.insert("general.alignment", Value::U64(super::gguf::write::ALIGNMENT));
    let mut plan = Plan::default();
    for tensor in header.catalog.tensors {
        let row = if tensor.shape.len() > 1 { tensor.shape[0] } else { tensor.kind.block_len() as u64 };
        let stays = tensor.shape.len() < 2
            || !tensor.name.ends_with(".weight")
            || !row.is_multiple_of(32)
            || KEPT.iter().any(|part| tensor.name.contains(part));
        let to = if stays { tensor.kind } else { mix.target(&tensor.name, &tensor.shape) };
        let name = quoted(&tensor.name);
        let Some(row) = usize::try_from(row).ok().filter(|row| *row <= MOST_UNIT) else {
            bail!(
                BadShape,
                "The tensor {name} has rows of {row}, which are longer than any model's; take another file"
            );
        };
        // Of experts, whose rows are of one tensor, there would be one for each.
        let importance = importance.remove(&tensor.name).filter(|_| tensor.shape.len() == 2);
        if let Some(other) = importance.as_ref().map(Vec::len).filter(|len| *len != row) {
            bail!(
                BadShape,
                "The importance of {name} is of {other} columns, and it has {row}; take that of this model"
            );
        }
        plan.place(tensor.name.clone(), tensor.shape, to);
        plan.jobs.push_back(Job {
            name: tensor.name,
            offset: tensor.offset,
            bytes: tensor.bytes,
            from: tensor.kind,
            to,
            row,
            head: None,
            add: 0.0,
            importance,
        });
    }
    Ok(plan.finish(metadata, vec![header.catalog.file_bytes]))
}
