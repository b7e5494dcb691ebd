//! The importance that a text says of a model: the mean squares of what its matrices are multiplied by.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::common::run::load;
use pollster::block_on;
use serde_json::Value;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::eval::calibrate;
use sotto::file::gguf::HeaderParser;
use sotto::file::importance::{read_importance, write_importance};
use sotto::quant::{self, TensorType};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::text::tokenizer::EncodeOptions;
use tiny_models as tiny;

const TEXT: &str = "Hello world, what is the user's 2024 in it? The quick brown fox jumps over the lazy dog.";

fn on(backend: Backend, context: u32) -> LoadOptions {
    LoadOptions { backend, kv: KvType::F32, context: Some(context), ..Default::default() }
}

fn engine(name: &str) -> Engine {
    load(&tiny::build(name).expect("a tiny model"), on(Backend::Cpu, 64)).expect("an engine")
}

/// What the first layer reads is the normed embedding, which is worked out here by hand.
#[test]
fn the_first_layers_inputs_are_normed_embeddings() {
    let file = tiny::build("llama-f32").expect("a tiny model");
    let mut engine = engine("llama-f32");
    let text = TEXT.repeat(5);
    let found = block_on(calibrate(&mut engine, &text, &mut |_, _| {})).expect("an importance");
    let ids = engine.tokenizer.encode(&text, EncodeOptions { add_special: true, parse_special: true }).expect("ids");
    assert!(ids.len() > 100 && ids.len() == found.tokens, "{}", ids.len());
    let (header, _) = HeaderParser::new().push(&file).expect("a sound file").expect("a whole header");
    let floats = |name: &str| {
        let tensor = header.catalog.tensor(name).expect("a tensor");
        let mut numbers = vec![0.0; tensor.elements() as usize];
        let end = tensor.offset + tensor.bytes;
        quant::dequantize(TensorType::F32, &file[tensor.offset as usize..end as usize], &mut numbers);
        numbers
    };
    let (embedding, norm) = (floats("token_embd.weight"), floats("blk.0.attn_norm.weight"));
    let width = norm.len();
    let eps = header.catalog.metadata.get("llama.attention.layer_norm_rms_epsilon");
    let eps = if let Some(sotto::file::Value::F64(eps)) = eps { *eps } else { 1e-5 };
    let mut want = vec![0.0f64; width];
    // Each piece of a text that begins with BOS does so.
    let bos = engine.tokenizer.bos().filter(|bos| ids[0] == *bos);
    for (i, id) in ids.iter().enumerate() {
        let id = bos.filter(|_| i % 64 == 0).unwrap_or(*id) as usize;
        let row = &embedding[id * width..][..width];
        let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64 + eps;
        for ((want, x), weight) in want.iter_mut().zip(row).zip(&norm) {
            *want += (f64::from(*x) * f64::from(*weight)).powi(2) / square / ids.len() as f64;
        }
    }
    for name in ["blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"] {
        let got = &found.importance[name];
        assert_eq!(got.len(), width, "{name}");
        for (got, want) in got.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() < 1e-4 * want.max(1e-3), "{name}: {got}, not {want}");
        }
    }
}

#[test]
fn every_matrix_of_a_block_has_its_importance() {
    for name in ["llama-q4_0", "gemma3-f16", "qwen3-f32"] {
        let mut engine = engine(name);
        let mut told = Vec::new();
        let found = block_on(calibrate(&mut engine, TEXT, &mut |done, all| told.push((done, all)))).expect(name);
        assert_eq!(told.last(), Some(&(found.tokens, found.tokens)));
        let tensors: HashMap<&str, u32> =
            engine.model.weights().tensors().map(|(name, inside)| (name, inside.row.length)).collect();
        for (name, length) in tensors.iter().filter(|(name, _)| name.starts_with("blk.")) {
            let columns = &found.importance[*name];
            assert_eq!(columns.len(), *length as usize, "{name}");
            assert!(
                columns.iter().all(|mean| mean.is_finite() && *mean >= 0.0) && columns.iter().any(|mean| *mean > 0.0)
            );
        }
        // Written as llama-imatrix has it, it is the same when read.
        let read = read_importance(&write_importance(&found.importance, found.tokens)).expect("a file");
        assert_eq!(read.len(), found.importance.len());
        for (name, columns) in &found.importance {
            let close = columns.iter().zip(&read[name]).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs());
            assert!(close, "{name}");
        }
    }
}

/// A text that is read again is the same, whatever was read before.
#[test]
fn a_text_says_the_same_twice() {
    let mut engine = engine("qwen2-f32");
    let once = block_on(calibrate(&mut engine, TEXT, &mut |_, _| {})).expect("an importance");
    let again = block_on(calibrate(&mut engine, TEXT, &mut |_, _| {})).expect("an importance");
    assert_eq!(once.importance, again.importance);
}

#[test]
fn what_cannot_be_measured_is_told() {
    let refused =
        |engine: &mut Engine, text: &str| block_on(calibrate(engine, text, &mut |_, _| {})).expect_err("an error").code;
    let row = tiny::encoders::ROWS.iter().find(|row| row.name == "bert").expect("a tiny model");
    let mut embeds = load(&row.assemble().to_bytes(), LoadOptions { backend: Backend::Cpu, ..Default::default() })
        .expect("an engine");
    assert_eq!(refused(&mut embeds, TEXT), Code::BadOption);
    let mut on_gpu =
        load(&tiny::build("llama-f32").expect("a tiny model"), on(Backend::Webgpu, 64)).expect("an engine");
    assert_eq!(refused(&mut on_gpu, TEXT), Code::BadOption);
}

#[test]
fn the_command_measures_keeps_and_compares() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = |name: &str| folder.join(format!("calibrate-{name}")).to_str().expect("a plain path").to_string();
    std::fs::write(path("model"), tiny::build("llama-f32").expect("a tiny model")).expect("a file");
    std::fs::write(path("text"), TEXT.repeat(5)).expect("a file");
    let quantize = |out: &str, more: &[&str]| {
        let (model, out) = (path("model"), path(out));
        let common = ["quantize", "--model", &model, "--to", "q4_0", "--out", &out, "--json"];
        let run = Command::new(env!("CARGO_BIN_EXE_sotto")).args(common).args(more).output().expect("the program runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let report: Value = serde_json::from_slice(&run.stdout).expect("one JSON value");
        (std::fs::read(out).expect("the file"), report)
    };
    let (text, kept) = (path("text"), path("kept"));
    let (plain, without) = quantize("plain", &[]);
    let (by_text, report) =
        quantize("by-text", &["--calibrate", &text, "--keep-importance", &kept, "--compare", &text]);
    let (by_file, _) = quantize("by-file", &["--importance", &kept]);
    assert_ne!(plain, by_text);
    assert_eq!(by_text, by_file);
    assert_eq!(report["written"], by_text.len());
    assert!(without["before"].is_null());
    let [before, after] = [&report["before"], &report["after"]];
    assert!(before["memory"].as_u64() > after["memory"].as_u64(), "{report}");
    let perplexities = [before, after].map(|side| side["perplexity"].as_f64().expect("a number"));
    assert!(perplexities[0] > 1.0 && perplexities[0] != perplexities[1], "{report}");
    assert_eq!(before["tokens"], after["tokens"]);
}
