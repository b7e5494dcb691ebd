//! The header of a GGUF file that is made here.

use super::DEFAULT_ALIGNMENT;
use crate::file::{Catalog, Value};

/// Where tensors begin, in multiples of.
pub const ALIGNMENT: u64 = DEFAULT_ALIGNMENT as u64;

/// The bytes before a file's first tensor. Tensors follow each other there with their offsets' gaps between; the offsets of
/// the catalog are counted from the first.
pub fn header(catalog: &Catalog) -> Vec<u8> {
    let Catalog { metadata, tensors, .. } = catalog;
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        text(key, &mut out);
        self::value(value, &mut out);
    }
    for tensor in tensors {
        text(&tensor.name, &mut out);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        out.extend(tensor.shape.iter().flat_map(|size| size.to_le_bytes()));
        out.extend(tensor.kind.id().to_le_bytes());
        out.extend(tensor.offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    out
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The numbers of types are the format's. Numbers take 32 bits, if they do not exceed these: so the format defines its keys, and other
/// programs insist on it.
fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::U64(number) => match u32::try_from(*number) {
            Ok(number) => one(4, &number.to_le_bytes(), out),
            Err(_) => one(10, &number.to_le_bytes(), out),
        },
        Value::I64(number) => match i32::try_from(*number) {
            Ok(number) => one(5, &number.to_le_bytes(), out),
            Err(_) => one(11, &number.to_le_bytes(), out),
        },
        Value::F64(number) if number.abs() > f64::from(f32::MAX) => one(12, &number.to_le_bytes(), out),
        Value::F64(number) => one(6, &(*number as f32).to_le_bytes(), out),
        Value::Bool(flag) => one(7, &[u8::from(*flag)], out),
        Value::Str(string) => {
            out.extend(8u32.to_le_bytes());
            text(string, out);
        }
        Value::Ints(list) if list.iter().all(|number| i32::try_from(*number).is_ok()) => {
            many(5, list.len(), list.iter().flat_map(|number| (*number as i32).to_le_bytes()), out);
        }
        Value::Ints(list) => many(11, list.len(), list.iter().flat_map(|number| number.to_le_bytes()), out),
        Value::Floats(list) => many(6, list.len(), list.iter().flat_map(|number| number.to_le_bytes()), out),
        Value::Bools(list) => many(7, list.len(), list.iter().map(|flag| u8::from(*flag)), out),
        Value::Strings(list) => {
            many(8, list.len(), [], out);
            list.iter().for_each(|string| text(string, out));
        }
    }
}

fn one(kind: u32, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
}

fn many(kind: u32, count: usize, bytes: impl IntoIterator<Item = u8>, out: &mut Vec<u8>) {
    out.extend(9u32.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend((count as u64).to_le_bytes());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::gguf::HeaderParser;
    use crate::file::{Metadata, Tensor};
    use crate::quant::TensorType;

    #[test]
    fn what_is_written_is_read() {
        let mut metadata = Metadata::default();
        for (key, value) in [
            ("a", Value::U64(7)),
            ("b", Value::I64(-7)),
            ("c", Value::F64(0.25)),
            ("d", Value::Bool(true)),
            ("e", Value::Str("né".into())),
            ("f", Value::Ints(vec![1, -2])),
            ("large", Value::U64(1 << 40)),
            ("small", Value::I64(-1 << 40)),
            ("wide", Value::F64(1e300)),
            ("many", Value::Ints(vec![1, 1 << 40])),
            ("g", Value::Floats(vec![0.5, -1.0])),
            ("h", Value::Bools(vec![true, false])),
            ("i", Value::Strings(vec!["x".into(), String::new()])),
        ] {
            metadata.insert(key, value);
        }
        let tensor = |name: &str, offset| Tensor {
            name: name.into(),
            shape: vec![32, 2],
            kind: TensorType::Q8_0,
            offset,
            bytes: 68,
        };
        let catalog = Catalog { metadata, tensors: vec![tensor("one", 0), tensor("two", 96)], file_bytes: 0 };
        let bytes = header(&catalog);
        let (read, used) = HeaderParser::new().push(&bytes).expect("a sound header").expect("a whole one");
        assert_eq!((used, read.data_offset), (bytes.len(), bytes.len() as u64));
        assert_eq!(read.catalog.metadata, catalog.metadata);
        assert_eq!(read.catalog.tensors[1].offset, bytes.len() as u64 + 96);
        assert_eq!(read.catalog.tensors[0].kind, TensorType::Q8_0);
    }
}
