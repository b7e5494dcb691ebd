//! Rows that are no multiple of 32: filled up as they are loaded, whatever their type.

use crate::common::run::{largest_difference, load, on_both_backends, prefill};
use half::{bf16, f16};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::quant::{TensorType, dequantize};
use sotto::run::loader::LoadOptions;
use tiny_models::archs::ROWS;
use tiny_models::gguf::{Gguf, Rng, kind, random_weights};
use whole_models::described::{CEILING_16_BITS, CEILING_F32};

on_both_backends!(rows_of_every_type_are_filled_up);

/// Types of rows that are no multiples of 32, and of the others, where these may be as many as the first are long.
const TYPES: [(TensorType, TensorType); 4] = [
    (TensorType::F16, TensorType::F16),
    (TensorType::BF16, TensorType::F32),
    (TensorType::F16, TensorType::Q4_1),
    (TensorType::F32, TensorType::MXFP4),
];

fn rows_of_every_type_are_filled_up(backend: Backend) {
    for name in ["llama/narrow", "gpt2/narrow", "chatglm/narrow", "llama/slim", "gpt2/slim", "gemma2/slim"] {
        for (narrow, whole) in TYPES {
            let mut file = ROWS.iter().find(|row| row.name == name).expect("a row").assemble();
            let mut plain = file.clone();
            for index in 0..file.tensors.len() {
                let shape = &file.tensors[index].shape;
                let to = if shape[0].is_multiple_of(32) { whole } else { narrow };
                if shape.len() == 2 && file.tensors[index].name != "position_embd.weight" {
                    [file.tensors[index].data, plain.tensors[index].data] = stored(to, &file, index);
                    file.tensors[index].kind_id = to.id();
                }
            }
            let logits = [&file, &plain].map(|file| {
                let options = LoadOptions {
                    backend,
                    kv: KvType::F32,
                    context: Some(64),
                    max_rows: Some(16),
                    ..Default::default()
                };
                prefill(&mut load(&file.to_bytes(), options).expect("an engine"), &[3, 14, 15, 92, 65, 35], 4)
            });
            let most = if backend == Backend::Cpu && whole.is_quantized() { CEILING_16_BITS } else { CEILING_F32 };
            let error = largest_difference(&logits[0], &logits[1]);
            assert!(error < most, "{name} of {narrow:?} and {whole:?}: {error:.1e}");
        }
    }
}

/// A matrix's bytes in another type, and the same numbers as F32.
fn stored(to: TensorType, file: &Gguf, index: usize) -> [Vec<u8>; 2] {
    let tensor = &file.tensors[index];
    let values = tensor.data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let bytes: Vec<u8> = match to {
        TensorType::F32 => tensor.data.clone(),
        TensorType::F16 => values.flat_map(|v| f16::from_f32(v).to_le_bytes()).collect(),
        TensorType::BF16 => values.flat_map(|v| bf16::from_f32(v).to_le_bytes()).collect(),
        _ => {
            let named = kind(&to.name().to_lowercase()).expect("a type");
            random_weights(named, tensor.data.len() / 4, 0.1, &mut Rng::named(&tensor.name))
        }
    };
    let mut numbers = vec![0.0; tensor.data.len() / 4];
    dequantize(to, &bytes, &mut numbers);
    [bytes, numbers.iter().flat_map(|v| v.to_le_bytes()).collect()]
}
