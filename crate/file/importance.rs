//! How much the columns of matrices count, by which quantising chooses what it loses.

use std::collections::HashMap;

use super::gguf::{Header, HeaderParser, write};
use super::{Catalog, Tensor, Value, quoted};
use crate::bail;
use crate::base::error::Result;
use crate::quant::TensorType;

/// How much what is lost of each column of a matrix counts, by the matrix's name.
pub type Importance = HashMap<String, Vec<f32>>;

/// The importance that a file of llama.cpp's program `imatrix` has.
///
/// Errors: those of a header, `BadHeader` where it is no such file.
pub fn read_importance(bytes: &[u8]) -> Result<Importance> {
    let mut parser = HeaderParser::default();
    let Some((Header { catalog, .. }, _)) = parser.push(bytes)? else { return Err(parser.finish()) };
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

/// The same as such a file: read again it is what it was, but for roundings.
pub fn write_importance(importance: &Importance, tokens: usize) -> Vec<u8> {
    let mut catalog = Catalog::default();
    catalog.metadata.insert("general.type", Value::Str("imatrix".into()));
    let mut names: Vec<&String> = importance.keys().collect();
    names.sort_unstable();
    let mut data: Vec<u8> = Vec::new();
    let mut put = |name: String, numbers: &[f32]| {
        let (offset, shape) = (data.len() as u64, vec![numbers.len() as u64, 1]);
        let bytes = size_of_val(numbers) as u64;
        data.extend_from_slice(bytemuck::cast_slice(numbers));
        data.resize(data.len().next_multiple_of(write::ALIGNMENT as usize), 0);
        catalog.tensors.push(Tensor { name, shape, kind: TensorType::F32, offset, bytes });
    };
    for name in names {
        let sums: Vec<f32> = importance[name].iter().map(|mean| mean * tokens as f32).collect();
        put(format!("{name}.in_sum2"), &sums);
        put(format!("{name}.counts"), &[tokens as f32]);
    }
    let mut file = write::header(&catalog);
    file.append(&mut data);
    file
}

/// What of it is of this tensor. Of experts, whose rows are of one tensor, there would be one for each: they have none.
///
/// Errors: `BadShape` where it is of another length than a row.
pub(super) fn take(importance: &mut Importance, name: &str, shape: &[u64]) -> Result<Option<Vec<f32>>> {
    let [row, _] = *shape else { return Ok(None) };
    let found = importance.remove(name);
    if let Some(other) = found.as_ref().map(Vec::len).filter(|len| *len as u64 != row) {
        bail!(
            BadShape,
            "The importance of {} is of {other} columns, and it has {row}; take that of this model",
            quoted(name)
        );
    }
    Ok(found)
}
