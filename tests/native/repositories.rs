//! Repositories of safetensors: what they compute is what their twins in GGUF do, and what is refused before a weight is read.

use std::collections::HashMap;

use crate::common::run::{load, on_both_backends, prefill};
use pollster::block_on;
use serde_json::{Value as Json, json};
use sotto::base::error::{Code, Error, Result};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::file::Span;
use sotto::file::gguf::HeaderParser;
use sotto::file::importance::Importance;
use sotto::file::requantize::Requantizer;
use sotto::model::spec::Pooling;
use sotto::quant::{TensorType, dequantize, quantize};
use sotto::run::embed::EmbedOptions;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::repository::{FILES, Reading};
use sotto::text::tokenizer::EncodeOptions;
use tiny_models as tiny;
use tiny_models::gguf::Gguf;
use tiny_models::repository::{Files, write};

const TOKENS: [u32; 12] = [5, 9, 40, 7, 100, 3, 88, 61, 12, 70, 33, 90];

fn model(name: &str) -> Gguf {
    let rows = tiny::archs::ROWS.iter().chain(tiny::encoders::ROWS);
    let row = rows.into_iter().find(|row| row.name == name).map(tiny::archs::Row::assemble);
    row.or_else(|| tiny::find(name).map(tiny::assemble)).expect("a tiny model")
}

/// The files beside the weights, and the weights by their names.
fn open(files: &Files, quantize: Option<TensorType>) -> Result<Reading> {
    let beside = FILES.iter().filter_map(|file| Some((file.path.to_string(), files.get(file.path)?.clone())));
    Reading::new("Twin", beside.collect::<HashMap<_, _>>(), quantize)
}

fn heads(files: &Files, quantize: Option<TensorType>) -> Result<sotto::file::Converter> {
    let mut reading = open(files, quantize)?;
    for name in reading.weights() {
        let file = files.get(&name).unwrap_or_else(|| panic!("{name}"));
        let mut pieces = file.chunks(101);
        while !reading.push_head(pieces.next().expect("a whole header"))? {}
    }
    reading.finish()
}

/// The repository as a GGUF file, in pieces of an odd size.
pub fn converted(files: &Files, quantize: Option<TensorType>) -> Result<Vec<u8>> {
    let weights = open(files, quantize)?.weights();
    let mut converter = heads(files, quantize)?;
    let mut out = converter.take_head();
    for name in &weights {
        for Span { file, first, count } in converter.early() {
            let file = &files[&weights[file]];
            file[first as usize..(first + count) as usize].chunks(997).for_each(|piece| converter.push_early(piece));
        }
        converter.end_early()?;
        for piece in files[name].chunks(1009) {
            converter.push(piece, &mut out);
        }
        // What lies behind is no tensor's.
        converter.push(&[7; 100], &mut out);
        converter.next_file()?;
    }
    assert!(out.len() as u64 >= converter.catalog.file_bytes);
    Ok(out)
}

/// Both ways to the same file: the repository by an importance, and its twin, which has the same numbers in GGUF.
#[test]
fn importance_counts_in_repositories_too() {
    let mut twin = model("llama-f32");
    let files = write(&mut twin, 1);
    let name = "blk.0.attn_q.weight";
    let columns = twin.tensors.iter().find(|tensor| tensor.name == name).expect("a matrix").shape[0];
    let importance =
        Importance::from([(name.into(), (0..columns).map(|i| if i % 3 == 0 { 9.0 } else { 0.1 }).collect())]);
    let by = |importance: Importance| -> Result<Vec<u8>> {
        let mut reading = open(&files, Some(TensorType::Q4_0))?;
        let weights = reading.weights();
        reading.set_importance(importance);
        assert!(reading.push_head(&files[&weights[0]])?);
        let mut converter = reading.finish()?;
        let mut out = converter.take_head();
        converter.push(&files[&weights[0]], &mut out);
        Ok(out)
    };
    let tensor = |file: &[u8]| {
        let (header, _) = HeaderParser::new().push(file).expect("a sound file").expect("a whole header");
        let tensor = header.catalog.tensor(name).expect("the matrix");
        file[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize].to_vec()
    };
    let (mut requantizer, mut of_twin) = (Requantizer::new(TensorType::Q4_0, importance.clone()), Vec::new());
    requantizer.push(&twin.to_bytes(), &mut of_twin).expect("a sound file");
    let found = by(importance).expect("a repository");
    assert_eq!(tensor(&found), tensor(&of_twin));
    assert_ne!(tensor(&found), tensor(&by(Importance::new()).expect("a repository")));
    let short = Importance::from([(name.into(), vec![1.0; 3])]);
    assert_eq!(by(short).expect_err("of another model").code, Code::BadShape);
}

pub fn on(backend: Backend) -> LoadOptions {
    LoadOptions { backend, kv: KvType::F32, context: Some(64), ..Default::default() }
}

fn states(engine: &mut Engine) -> Vec<f32> {
    if engine.check_writes().is_ok() {
        return prefill(engine, &TOKENS, 8);
    }
    let options = EmbedOptions { pooling: Some(Pooling::None), normalize: false, ..Default::default() };
    block_on(engine.embed(&[TOKENS.to_vec()], &options)).expect("states")[0].values.clone()
}

on_both_backends!(
    repositories_compute_what_their_twins_do,
    more_architectures_compute_what_their_twins_do,
    heads_of_encoders_are_those_of_the_class,
    weights_are_quantised_on_the_way
);

fn compare(name: &str, shards: usize, backend: Backend) {
    let mut twin = model(name);
    let files = write(&mut twin, shards);
    let file = converted(&files, Some(TensorType::F32)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut engine = load(&file, on(backend)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut twin = load(&twin.to_bytes(), on(backend)).expect("the twin");
    assert_eq!(states(&mut engine), states(&mut twin), "{name} on {backend:?}");
    let texts = ["Hello world, what is the 2024?", " the  user said: 'tis né ab", "世界 <|im_end|> 123\n\nabcd"];
    for text in texts {
        for special in [false, true] {
            let options = EncodeOptions { add_special: special, parse_special: special };
            let [ids, want] = [&engine, &twin].map(|engine| engine.tokenizer.encode(text, options).expect("ids"));
            assert_eq!(ids, want, "{name}: {text:?}");
        }
    }
    assert_eq!(engine.tokenizer.eog_ids(), twin.tokenizer.eog_ids(), "{name}");
    assert_eq!(engine.templates.source(false), twin.templates.source(false), "{name}");
}

fn repositories_compute_what_their_twins_do(backend: Backend) {
    for (name, shards) in
        [("llama-f32", 1), ("llama-spm-f32", 3), ("qwen2-f32", 2), ("qwen3-f32", 1), ("gemma3-f32", 2), ("bert", 1)]
    {
        compare(name, shards, backend);
    }
}

fn more_architectures_compute_what_their_twins_do(backend: Backend) {
    for name in [
        "llama-linear-f32",
        "gemma3-linear-f32",
        "gemma3-softcap-f32",
        "llama/biased",
        "llama/slim",
        "gemma2/slim",
        "glm4",
        "granite/slim",
        "olmo2/slim",
        "smollm3",
        "phi3",
        "starcoder2",
    ] {
        compare(name, 1, backend);
    }
}

fn heads_of_encoders_are_those_of_the_class(backend: Backend) {
    let mut files = HashMap::new();
    for name in ["bert", "bert/rank", "bert/words"] {
        compare(name, 1, backend);
        files.insert(name, write(&mut model(name), 1));
    }
    // A class without a head leaves those of a file that has some.
    let mut bare = files["bert/words"].clone();
    let config = String::from_utf8(bare["config.json"].clone()).expect("text");
    bare.insert("config.json".into(), config.replace("BertForMaskedLM", "BertModel").into_bytes());
    let file = converted(&bare, None).expect("a model");
    let (header, _) = HeaderParser::new().push(&file).expect("a sound header").expect("a whole one");
    assert!(header.catalog.tensor("cls.weight").is_none() && header.catalog.tensor("token_types.weight").is_some());
    // How states are pooled is beside the weights.
    assert_eq!(header.catalog.metadata.u32("bert.pooling_type"), Ok(None));
    let file = converted(&files["bert"], None).expect("a model");
    let (header, _) = HeaderParser::new().push(&file).expect("a sound header").expect("a whole one");
    assert_eq!(header.catalog.metadata.u32("bert.pooling_type"), Ok(Some(1)));
}

/// What is quantised on the way is what quantising the numbers before gives, whatever they were stored as.
fn weights_are_quantised_on_the_way(backend: Backend) {
    for name in ["qwen2-f32", "qwen2-f16", "llama-bf16"] {
        for kind in [TensorType::Q8_0, TensorType::Q4_0, TensorType::F16] {
            let mut twin = model(name);
            let files = write(&mut twin, 2);
            for tensor in &mut twin.tensors {
                if tensor.shape.len() == 1 {
                    continue;
                }
                let ends = ["token_embd.weight", "output.weight"].contains(&tensor.name.as_str());
                let kind = if ends && kind == TensorType::Q4_0 { TensorType::Q8_0 } else { kind };
                let from = TensorType::from_ggml(tensor.kind_id).expect("a type");
                let mut numbers = vec![0.0; tensor.data.len() / from.block_bytes()];
                dequantize(from, &tensor.data, &mut numbers);
                tensor.data.clear();
                quantize(kind, &numbers, &mut tensor.data);
                tensor.kind_id = kind.id();
            }
            let file = converted(&files, Some(kind)).expect("a model");
            let mut engine = load(&file, on(backend)).expect("an engine");
            let mut twin = load(&twin.to_bytes(), on(backend)).expect("the twin");
            assert_eq!(states(&mut engine), states(&mut twin), "{name} as {kind:?}");
            assert_eq!(engine.types, twin.types);
        }
    }
}

#[test]
fn by_default_matrices_have_eight_bits() {
    let file = converted(&write(&mut model("qwen2-f32"), 1), None).expect("a model");
    let (header, _) = HeaderParser::new().push(&file).expect("a sound header").expect("a whole one");
    let kind = |name: &str| header.catalog.tensor(name).map(|tensor| tensor.kind);
    assert_eq!(kind("blk.0.attn_q.weight"), Some(TensorType::Q8_0));
    assert_eq!(kind("blk.0.attn_q.bias"), Some(TensorType::F32));
    assert_eq!(header.catalog.metadata.str("general.name"), Ok(Some("Twin")));
}

#[test]
fn llama_3_frequencies_come_of_its_config() {
    let mut twin = model("llama3-f32");
    let mut files = write(&mut twin, 1);
    change(&mut files, "config.json", |config| {
        config["rope_scaling"] = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64 });
    });
    let file = converted(&files, None).expect("a model");
    let (header, _) = HeaderParser::new().push(&file).expect("a sound header").expect("a whole one");
    let tensor = header.catalog.tensor("rope_freqs.weight").expect("factors");
    let mut factors = vec![0.0; tensor.elements() as usize];
    dequantize(tensor.kind, &file[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize], &mut factors);
    // Of transformers' _compute_llama3_parameters, with heads of 32 and a base of 5000.
    let want = [1.0, 1.0, 1.165716, 2.29904, 5.358082, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0];
    assert_eq!(factors.len(), want.len());
    for (factor, want) in factors.iter().zip(want) {
        assert!((factor - want).abs() <= 1e-5 * want, "{factor}, not {want}");
    }
    assert_eq!(load(&file, on(Backend::Cpu)).err(), None::<Error>);
}

pub fn change(files: &mut Files, path: &str, change: impl FnOnce(&mut Json)) {
    let mut json: Json = serde_json::from_slice(&files[path]).expect("JSON");
    change(&mut json);
    files.insert(path.into(), json.to_string().into_bytes());
}

#[track_caller]
pub fn refused(files: &Files, code: Code, says: &str) {
    let error = heads(files, None).err().expect("not read");
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(says), "{error}");
}

#[test]
fn what_is_wrong_is_named_before_a_weight_is_read() {
    let good = write(&mut model("llama-f32"), 2);
    let with = |spoil: &dyn Fn(&mut Files)| {
        let mut files = good.clone();
        spoil(&mut files);
        files
    };
    let config = |name: &'static str, value: Json| {
        with(&move |files| change(files, "config.json", |config| config[name] = value.clone()))
    };
    let without = |path: &'static str, name: &'static str| {
        with(&move |files| change(files, path, |json| drop(json.as_object_mut().map(|members| members.remove(name)))))
    };
    let index = "model.safetensors.index.json";
    let mapped = |file: &'static str| {
        with(&move |files| change(files, index, |json| json["weight_map"]["lm_head.weight"] = json!(file)))
    };
    let weights = |bytes: &'static [u8]| {
        with(&move |files| drop(files.insert("model-00001-of-00002.safetensors".into(), bytes.to_vec())))
    };

    refused(&with(&|files| drop(files.remove("config.json"))), Code::MissingPart, "no config.json");
    refused(&with(&|files| drop(files.remove("tokenizer.json"))), Code::MissingPart, "no tokenizer.json");
    refused(&with(&|files| drop(files.insert("config.json".into(), b"{".to_vec()))), Code::BadMetadata, "config.json");
    refused(&without("config.json", "architectures"), Code::BadMetadata, "architectures");
    refused(&config("architectures", json!(["MambaForCausalLM"])), Code::UnsupportedArchitecture, "MambaForCausalLM");
    refused(&config("hidden_act", json!("relu")), Code::UnsupportedArchitecture, "relu");
    refused(&config("num_local_experts", json!(8)), Code::UnsupportedArchitecture, "experts");
    refused(&config("hidden_size", json!("many")), Code::BadMetadata, "hidden_size");
    refused(&config("rope_scaling", json!({ "type": "strange" })), Code::UnsupportedArchitecture, "strange");
    // Lists are made of so many factors, and rows of heads are cut in two.
    for length in [json!(1u64 << 60), json!(u64::MAX), json!(0), json!(3)] {
        let mut files = config("head_dim", length.clone());
        change(&mut files, "config.json", |config| config["rope_scaling"] = json!({ "rope_type": "llama3" }));
        refused(&files, Code::BadMetadata, &format!("heads of {length} numbers"));
    }
    for outside in [
        "../secret.safetensors",
        "/etc/passwd",
        "https://example.com/a.safetensors",
        "pytorch_model.bin",
        ".safetensors",
    ] {
        refused(&mapped(outside), Code::MissingPart, "no safetensors file beside it");
    }
    // Its tensor is in the other file.
    let wrong = good.keys().find(|name| name.contains("00002")).expect("the second");
    assert!(wrong.ends_with(".safetensors"));
    refused(&mapped("model-00002-of-00002.safetensors"), Code::MissingPart, "lm_head.weight");
    refused(
        &with(&|files| drop(files.insert(index.into(), b"{\"weight_map\":{}}".to_vec()))),
        Code::MissingPart,
        "names 0 files",
    );

    for (shape, bytes) in [("[1,8589934592]", "34359738368"), ("[32,134217728]", "17179869184")] {
        let head = format!(
            "{{\"model.layers.0.self_attn.q_proj.weight\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,{bytes}]}}}}"
        );
        let file = [&(head.len() as u64).to_le_bytes()[..], head.as_bytes()].concat();
        let files = with(&|files| {
            drop(files.remove(index));
            drop(files.insert("model.safetensors".into(), file.clone()));
        });
        refused(&files, Code::BadShape, "longer than any model's");
    }

    refused(&weights(b"PK\x03\x04 a zip archive, as torch.save writes it"), Code::BadHeader, "pickle");
    refused(&weights(b"\x80\x02c by torch.save of old"), Code::BadHeader, "pickle");
    refused(&weights(b"\x02\0\0\0\0\0\0\0[]"), Code::BadHeader, "damaged");
    let giant = with(&|files| drop(files.insert("config.json".into(), vec![b' '; 5 << 20])));
    refused(&giant, Code::BadMetadata, "more than 4 MB");

    refused(
        &tokenizer(&good, |json| json["model"]["type"] = json!("WordLevel")),
        Code::UnsupportedTokenizer,
        "WordLevel",
    );
    refused(
        &tokenizer(&good, |json| json["pre_tokenizer"] = json!({ "type": "ByteLevel", "use_regex": false })),
        Code::UnsupportedTokenizer,
        "pre-tokenizer",
    );
    refused(&tokenizer(&good, |json| json["added_tokens"][0]["id"] = json!(u32::MAX)), Code::BadMetadata, "tokens");
}

fn tokenizer(good: &Files, spoil: impl FnOnce(&mut Json)) -> Files {
    let mut files = good.clone();
    change(&mut files, "tokenizer.json", spoil);
    files
}

/// What the keys do not say is refused by the engine's own checks: the bytes are those of a GGUF file.
#[test]
fn what_a_network_lacks_is_told_by_the_engine() {
    let mut files = write(&mut model("llama-f32"), 1);
    change(&mut files, "config.json", |config| {
        drop(config.as_object_mut().map(|config| config.remove("num_hidden_layers")));
    });
    let file = converted(&files, None).expect("bytes");
    let error = load(&file, on(Backend::Cpu)).err().expect("no engine");
    assert!(error.code == Code::BadMetadata && error.message.contains("block_count"), "{error}");
}

#[test]
fn a_file_that_ends_early_is_named() {
    let files = write(&mut model("llama-f32"), 2);
    let mut converter = heads(&files, None).expect("a model");
    let first = &files["model-00001-of-00002.safetensors"];
    converter.push(&first[..first.len() - 5], &mut Vec::new());
    let error = converter.next_file().expect_err("too short");
    assert!(error.code == Code::Truncated && error.message.contains("File 1"), "{error}");
}
