//! A GGUF file in other types: its matrices are what quantising them gives, all else is as it was.

use sotto::base::error::Code;
use sotto::file::gguf::{Header, HeaderParser, write};
use sotto::file::importance::{Importance, read_importance};
use sotto::file::requantize::{Requantizer, requantize, written};
use sotto::file::{Catalog, Tensor, Value};
use sotto::quant::{self, TensorType};
use tiny_models as tiny;

fn header(file: &[u8]) -> Header {
    HeaderParser::new().push(file).expect("a sound file").expect("a whole header").0
}

fn bytes<'a>(file: &'a [u8], tensor: &Tensor) -> &'a [u8] {
    &file[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize]
}

fn floats(file: &[u8], tensor: &Tensor) -> Vec<f32> {
    let mut numbers = vec![0.0; tensor.elements() as usize];
    quant::dequantize(tensor.kind, bytes(file, tensor), &mut numbers);
    numbers
}

/// In pieces of an odd size.
fn rewritten(file: &[u8], to: TensorType, importance: Importance) -> Vec<u8> {
    let (mut requantizer, mut out) = (Requantizer::new(to, importance), Vec::new());
    file.chunks(1009).for_each(|piece| requantizer.push(piece, &mut out).expect("a sound file"));
    requantizer.finish().expect("a whole file");
    assert_eq!(requantizer.total().map(|bytes| bytes.next_multiple_of(32)), Some(out.len() as u64));
    out
}

#[test]
fn matrices_become_the_type_and_all_else_stays() {
    for (name, to) in
        [("llama-f32", TensorType::Q8_0), ("llama-q8_0", TensorType::Q4_0), ("gemma3-f16", TensorType::Q6_K)]
    {
        let file = tiny::build(name).expect("a tiny model");
        let made = rewritten(&file, to, Importance::new());
        let (before, after) = (header(&file).catalog, header(&made).catalog);
        for (key, value) in before.metadata.iter() {
            assert!(key == "general.alignment" || after.metadata.get(key) == Some(value), "{name}: {key}");
        }
        let mut changed = 0;
        for tensor in &before.tensors {
            let written = after.tensor(&tensor.name).expect("each tensor");
            assert_eq!(written.shape, tensor.shape);
            if written.kind == tensor.kind {
                assert_eq!(bytes(&made, written), bytes(&file, tensor), "{name}: {}", tensor.name);
                continue;
            }
            changed += 1;
            let mut want = Vec::new();
            quant::quantize(written.kind, &floats(&file, tensor), &mut want);
            assert_eq!(bytes(&made, written), want, "{name}: {}", tensor.name);
        }
        assert!(changed > 7, "{name}: {changed}");
        let small = after.tensors.iter().filter(|tensor| tensor.name.contains("norm"));
        assert!(small.clone().count() > 0 && small.clone().all(|tensor| tensor.kind == TensorType::F32), "{name}");
    }
}

#[test]
fn importance_is_read_and_used() {
    let file = tiny::build("llama-f32").expect("a tiny model");
    let catalog = header(&file).catalog;
    let name = "blk.0.ffn_up.weight";
    let tensor = catalog.tensor(name).expect("a matrix");
    let columns = tensor.shape[0] as usize;
    let sums: Vec<f32> = (0..columns).map(|i| if i % 3 == 0 { 50.0 } else { 0.5 }).collect();

    let of = |name: String, shape: Vec<u64>, offset| {
        let bytes = 4 * shape.iter().product::<u64>();
        Tensor { name, shape, kind: TensorType::F32, offset, bytes }
    };
    let tensors =
        vec![of(format!("{name}.counts"), vec![1, 1], 0), of(format!("{name}.in_sum2"), vec![columns as u64, 1], 32)];
    let mut list = write::header(&Catalog { tensors, ..Catalog::default() });
    list.extend_from_slice(bytemuck::cast_slice(&[10.0f32, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    list.extend_from_slice(bytemuck::cast_slice(&sums));
    let importance = read_importance(&list).expect("an importance");
    assert_eq!(importance.len(), 1);
    assert_eq!(importance[name][..4], [5.0, 0.05, 0.05, 5.0]);

    let made = rewritten(&file, TensorType::Q4_0, importance.clone());
    let found = header(&made).catalog;
    let mut want = Vec::new();
    quant::quantize_by(TensorType::Q4_0, &floats(&file, tensor), &importance[name], &mut want);
    assert_eq!(bytes(&made, found.tensor(name).expect("the matrix")), want);
    // What counts more loses less.
    let lost = |file: &[u8]| {
        let found = header(file).catalog;
        let numbers = floats(file, found.tensor(name).expect("the matrix"));
        let all = numbers.iter().zip(floats(&file_of(), tensor)).enumerate();
        all.map(|(i, (a, b))| f64::from(sums[i % columns]) * f64::from((a - b) * (a - b))).sum::<f64>()
    };
    assert!(lost(&made) < 0.9 * lost(&rewritten(&file, TensorType::Q4_0, Importance::new())));

    let short = Importance::from([(name.to_string(), vec![1.0; 3])]);
    assert_eq!(requantize(header(&file), TensorType::Q4_0, short).err().expect("an error").code, Code::BadShape);
    assert_eq!(read_importance(&file).expect_err("no importance").code, Code::BadHeader);
}

fn file_of() -> Vec<u8> {
    tiny::build("llama-f32").expect("a tiny model")
}

#[test]
fn a_cut_file_is_told() {
    let file = tiny::build("llama-f32").expect("a tiny model");
    for bytes in [0, 100, file.len() - 100] {
        let mut requantizer = Requantizer::new(TensorType::Q4_0, Importance::new());
        requantizer.push(&file[..bytes], &mut Vec::new()).expect("sound as far as it goes");
        let error = requantizer.finish().expect_err("an error");
        assert_eq!(error.code, Code::Truncated, "{bytes}");
    }
    let mut requantizer = Requantizer::new(TensorType::Q4_0, Importance::new());
    let error = requantizer.push(b"<!doctype html><title>No model", &mut Vec::new()).expect_err("an error");
    assert_eq!(error.code, Code::NotGguf);
    assert!(matches!(header(&file).catalog.metadata.get("general.architecture"), Some(Value::Str(_))));
}

#[test]
fn a_type_that_is_not_written_is_told_what_is() {
    assert_eq!(written("q4_K").expect("a type"), TensorType::Q4_K);
    let error = written("iq3_s").expect_err("an error");
    assert_eq!(error.code, Code::BadOption);
    assert!(error.message.contains("q8_0, q6_k"), "{error}");
}
