//! The architectures that are compared with llama.cpp alone: `tests/tiny/archs.rs`, a row each, on both backends.

use crate::common::run::{golden, on_both_backends};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::run::loader::LoadOptions;
use tiny_models::archs::ROWS;
use tiny_models::gguf::Value;
use whole_models::archs::{Goldens, check};

on_both_backends!(every_architecture_computes_what_llama_cpp_does);

fn every_architecture_computes_what_llama_cpp_does(backend: Backend) {
    let goldens: Goldens = golden("archs.json");
    assert_eq!(goldens.archs.len(), ROWS.len());
    let mut failures = Vec::new();
    for row in ROWS {
        match block_on(check(row, &goldens, LoadOptions { backend, ..Default::default() })) {
            Ok(measures) => {
                println!("{:20} {backend:?}: {}", row.name, whole_models::shown(&measures));
                failures.extend(whole_models::failure(&measures).map(|why| format!("{}: {why}", row.name)));
            }
            Err(error) => failures.push(format!("{}: {error}", row.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn each_of_their_tensors_counts() {
    let read = |file: tiny_models::gguf::Gguf| {
        let (header, _) = HeaderParser::new().push(&file.to_bytes()).expect("a sound header").expect("a whole header");
        model::read(&header.catalog)
    };
    // Without these it is another model: of other scales, tied, with the plain rotation, with keys for values, as XLM-RoBERTa, or of a head without biases.
    let optional = ["output.weight", "rope_freqs.weight", "token_types.weight"];
    let needed = |row: &tiny_models::archs::Row, name: &str| row.arch() == "gemma4" && name == "rope_freqs.weight";
    let biases = ["cls.bias", "cls.norm.bias", "cls.output.bias", "output.bias"];
    let optional = |row: &tiny_models::archs::Row, name: &str| {
        optional.contains(&name) && !needed(row, name)
            || name.ends_with(".scale") && row.arch() == "llama"
            || matches!((row.name, name), ("gemma4", "blk.2.attn_v.weight") | ("gemma4/plain", "blk.1.attn_v.weight"))
            || !matches!(row.arch(), "phi2" | "phimoe") && biases.contains(&name)
    };
    for row in ROWS.iter().chain(tiny_models::encoders::ROWS).filter(|row| row.dims.n_layers < 8) {
        let file = row.assemble();
        for (index, name) in file.tensors.iter().enumerate().map(|(index, tensor)| (index, tensor.name.clone())) {
            if row.name == "glm4moe/ahead" && name.starts_with("blk.4.") {
                // Of a layer that is not read.
                continue;
            }
            let mut without = file.clone();
            without.tensors.remove(index);
            let found = read(without);
            if optional(row, &name) {
                assert!(found.is_ok(), "{} without {name}: {found:?}", row.name);
            } else {
                let code = found.map_err(|error| error.code);
                let missing = code == Err(Code::MissingTensor) || code == Err(Code::UnsupportedArchitecture);
                assert!(missing, "{} without {name}: {code:?}", row.name);
            }
            if row.name == "qwen3/last" && name == "output.weight" {
                // What a model that embeds has of the one that it was trained from.
                continue;
            }
            let mut other = file.clone();
            let tensor = &mut other.tensors[index];
            tensor.data.resize(tensor.data.len() / tensor.shape[0] as usize * (tensor.shape[0] as usize + 32), 0);
            tensor.shape[0] += 32;
            assert_eq!(read(other).map_err(|error| error.code), Err(Code::BadShape), "{}: {name}", row.name);
        }
        let mut more = file.clone();
        let mut unclaimed = file.tensors[0].clone();
        unclaimed.name = "blk.0.attn_rel_b.weight".into();
        more.tensors.push(unclaimed);
        let error = read(more).expect_err("a tensor that nobody claims");
        assert!(error.code == Code::UnsupportedArchitecture && error.message.contains("attn_rel_b"), "{error}");
    }
}

#[test]
fn what_a_delta_net_cannot_be_is_named() {
    let row = ROWS.iter().find(|row| row.name == "qwen35").expect("a row");
    let refused = |keys: &[(&str, u32)]| {
        let mut file = row.assemble();
        keys.iter().for_each(|(key, number)| file.set(&format!("qwen35.{key}"), Value::U32(*number)));
        let (header, _) = HeaderParser::new().push(&file.to_bytes()).expect("a sound header").expect("a whole header");
        let error = model::read(&header.catalog).expect_err("sizes that do not fit");
        (error.code, error.message)
    };
    for (keys, code, named) in [
        (&[("ssm.inner_size", 124)][..], Code::BadMetadata, "124 is not 6 heads of 20"),
        (&[("ssm.group_count", 4)], Code::BadMetadata, "share 4 key heads"),
        (&[("ssm.conv_kernel", 1)], Code::BadMetadata, "conv_kernel"),
        (&[("full_attention_interval", 0)], Code::BadMetadata, "full_attention_interval"),
        (&[("ssm.state_size", 132), ("ssm.inner_size", 792)], Code::UnsupportedArchitecture, "132 wide"),
        (&[("ssm.state_size", 18), ("ssm.inner_size", 108)], Code::UnsupportedArchitecture, "18 wide"),
    ] {
        let (found, message) = refused(keys);
        assert!(found == code && message.contains(named), "{keys:?}: {message}");
    }
}

#[test]
fn every_architecture_has_a_tiny_model() {
    let described = crate::common::described::DESCRIBED;
    for arch in model::arch::names() {
        let rows = || ROWS.iter().chain(tiny_models::encoders::ROWS);
        assert!(described.contains(&arch) || rows().any(|row| row.arch() == arch), "{arch} has none");
    }
}
