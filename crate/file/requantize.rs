//! A GGUF file in other types: matrices become another type as their bytes come, all else stays as it is.

use super::convert::{Converter, From, Job, MOST_UNIT, Plan};
use super::gguf::{Header, HeaderParser};
use super::importance::{self, Importance};
use super::mix::Mix;
use super::{Value, quoted};
use crate::bail;
use crate::base::error::Result;
use crate::quant::TensorType;

/// The type of this name that matrices can be written in. Errors: `BadOption`, which names those that there are.
pub fn written(name: &str) -> Result<TensorType> {
    match TensorType::written(name) {
        Some(kind) => Ok(kind),
        None => {
            let names: Vec<String> = TensorType::WRITTEN.iter().map(|kind| kind.name().to_lowercase()).collect();
            bail!(
                BadOption,
                "{} is no type that matrices are written in; take one of {}.",
                quoted(name),
                names.join(", ")
            )
        }
    }
}

/// Takes the bytes of a GGUF file from its first on, and gives those of one in another type.
pub struct Requantizer {
    to: TensorType,
    importance: Importance,
    parser: HeaderParser,
    /// Bytes that came before the header was whole.
    before: u64,
    converter: Option<Converter>,
}

impl Requantizer {
    /// See [`requantize`].
    pub fn new(to: TensorType, importance: Importance) -> Requantizer {
        Requantizer { to, importance, parser: HeaderParser::default(), before: 0, converter: None }
    }

    /// Takes the next bytes; appends what they become. Errors: those of a header and of [`requantize`].
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if let Some(converter) = &mut self.converter {
            converter.push(bytes, out);
        } else if let Some((header, _)) = self.parser.push(bytes)? {
            let mut made = requantize(header, self.to, std::mem::take(&mut self.importance))?;
            out.append(&mut made.take_head());
            made.pass(self.before);
            made.push(bytes, out);
            self.converter = Some(made);
        } else {
            self.before += bytes.len() as u64;
        }
        Ok(())
    }

    /// The file has ended. Errors: `Truncated`, `BadHeader` where it was not whole.
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.converter {
            Some(converter) => converter.next_file(),
            None => Err(std::mem::take(&mut self.parser).finish()),
        }
    }

    /// Bytes of the file that is made, once the header of the other was whole.
    pub fn total(&self) -> Option<u64> {
        self.converter.as_ref().map(|converter| converter.catalog.file_bytes)
    }
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
        let importance = importance::take(&mut importance, &tensor.name, &tensor.shape)?;
        plan.place(tensor.name.clone(), tensor.shape, to);
        plan.jobs.push_back(Job {
            name: tensor.name,
            offset: tensor.offset,
            bytes: tensor.bytes,
            from: From::Type(tensor.kind),
            to,
            row,
            head: None,
            add: 0.0,
            as_held: false,
            importance,
        });
    }
    Ok(plan.finish(metadata, vec![header.catalog.file_bytes]))
}
