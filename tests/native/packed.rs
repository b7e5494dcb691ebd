//! Repositories whose weights are quantised already, made by the packages themselves (`tests/golden/make_packed.py`): what
//! their matrices are, what becomes of them, and what is refused before a weight is read.

use std::collections::HashMap;

use crate::common::run::{golden, load, on_both_backends, prefill};
use crate::repositories::{change, converted, on, refused};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sotto::base::error::Code;
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::quant::TensorType::{self, Q4_0, Q4_1, Q5_0, Q8_0};
use sotto::quant::dequantize;
use tiny_models::gguf::fnv1a;
use tiny_models::packed::{self, CODES, MATRICES};
use tiny_models::repository::Files;

/// Rows of a head of queries.
const HEAD: usize = 16;
/// Of so many logits goldens have one.
const STRIDE: usize = 5;
/// What matrices become where nobody says, and whether they are the same numbers then.
const BECOME: [(&str, TensorType, bool); 13] = [
    ("mlx", Q4_1, true),
    ("mlx-bf16", Q4_1, true),
    ("mlx-8", Q8_0, false),
    ("gptq", Q5_0, true),
    ("gptq-sym", Q4_0, true),
    ("gptq-mixed", Q8_0, false),
    ("gptq-8", Q8_0, true),
    ("awq", Q5_0, true),
    ("packed", Q4_0, true),
    ("packed-zeros", Q5_0, true),
    ("bytes", Q8_0, true),
    ("floats", Q8_0, false),
    ("fp8", Q8_0, false),
];

#[derive(Deserialize)]
struct Golden {
    member: String,
    matrices: HashMap<String, String>,
    ids: Vec<u32>,
    logits: Vec<f32>,
}

fn goldens() -> HashMap<String, Golden> {
    golden("packed.json")
}

fn repository(name: &str) -> Files {
    packed::repository(name).expect("a repository")
}

fn numbers(file: &[u8], name: &str) -> (TensorType, Vec<f32>) {
    let (header, _) = HeaderParser::new().push(file).expect("a sound file").expect("a whole header");
    let tensor = header.catalog.tensor(name).expect("the matrix");
    let mut numbers = vec![0.0; tensor.elements() as usize];
    dequantize(tensor.kind, &file[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize], &mut numbers);
    (tensor.kind, numbers)
}

/// Rows of pairs as Hugging Face's halves.
fn halved(numbers: &[f32], row: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = numbers.chunks(row).collect();
    let from = |at: usize| at / HEAD * HEAD + 2 * (at % (HEAD / 2)) + at % HEAD / (HEAD / 2);
    (0..rows.len()).flat_map(|at| rows[from(at)].to_vec()).collect()
}

fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0f32, |most, x| most.max(x.abs()))
}

on_both_backends!(matrices_are_those_of_the_packages);

fn matrices_are_those_of_the_packages(backend: Backend) {
    let goldens = goldens();
    assert_eq!(goldens.len(), BECOME.len());
    for (name, kind, is_exact) in BECOME {
        let golden = &goldens[name];
        let files = repository(name);
        let floats = converted(&files, Some(TensorType::F32)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let held = converted(&files, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (theirs, ours) in MATRICES {
            let (_, mut want) = numbers(&floats, ours);
            let (found, those) = numbers(&held, ours);
            // MLX's has one of 8 bits.
            let (kind, is_exact) =
                if (name, ours) == ("mlx", MATRICES[0].1) { (Q8_0, false) } else { (kind, is_exact) };
            assert_eq!(found, kind, "{name}: {ours}");
            let far = those.iter().zip(&want).map(|(x, want)| (x - want).abs()).fold(0.0, f32::max);
            assert!(far <= if is_exact { 0.0 } else { largest(&want) / 220.0 }, "{name}: {ours} is {far} off");
            if ours == MATRICES[0].1 {
                want = halved(&want, 64);
            }
            let hash = fnv1a(bytemuck::cast_slice(&want));
            assert_eq!(format!("{hash:016x}"), golden.matrices[theirs], "{name}: {ours}");
        }
        let logits = |file: &[u8]| {
            let mut engine = load(file, on(backend)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let all = prefill(&mut engine, &golden.ids, 5);
            all[all.len() - engine.model.net.n_vocab as usize..].to_vec()
        };
        let (plain, quantised) = (logits(&floats), logits(&held));
        let most = largest(&golden.logits);
        for (x, want) in plain.iter().step_by(STRIDE).zip(&golden.logits) {
            assert!((x - want).abs() <= 1e-4 * most, "{name} on {backend:?}: {x}, not {want}");
        }
        let far = quantised.iter().zip(&plain).map(|(x, want)| (x - want).abs()).fold(0.0, f32::max) / most;
        println!("{name} on {backend:?}: {far}");
        // What stayed floats has eight bits now.
        assert!(far <= 0.05, "{name} on {backend:?}: {far} off");
    }
}

fn with(golden: &Golden, name: &str, spoil: impl FnOnce(&mut Json)) -> Files {
    let mut files = repository(name);
    change(&mut files, "config.json", |config| spoil(&mut config[&golden.member]));
    files
}

#[test]
fn what_cannot_be_read_is_told_before_a_weight_is() {
    let goldens = goldens();
    let unsupported = |name: &str, spoil: &dyn Fn(&mut Json), says: &str| {
        refused(&with(&goldens[name], name, spoil), Code::UnsupportedTensorType, says);
    };
    unsupported("gptq", &|said| said["bits"] = json!(3), "have 3 bits");
    unsupported("gptq", &|said| said["bits"] = json!("four"), "unknown count");
    unsupported("gptq", &|said| said["group_size"] = json!(7), "groups of 7");
    unsupported("gptq", &|said| said["group_size"] = json!(-32), "groups of -32");
    unsupported("gptq", &|said| said["checkpoint_format"] = json!("marlin"), "checkpoint_format \"gptq\"");
    unsupported("gptq", &|said| said["quant_method"] = json!("bitsandbytes"), "bitsandbytes");
    unsupported("awq", &|said| said["version"] = json!("gemv"), "version \"gemm\"");
    unsupported("mlx", &|said| said["mode"] = json!("mxfp4"), "mode \"affine\"");
    unsupported("mlx", &|said| said["model.layers.0.self_attn.q_proj"]["bits"] = json!(6), "have 6 bits");
    unsupported("fp8", &|said| said["weight_block_size"] = json!([0, 128]), "blocks");
    unsupported("bytes", &|said| said["config_groups"]["group_0"]["weights"]["symmetric"] = json!(false), "zeros");
    unsupported(
        "packed",
        &|said| {
            said["config_groups"]["group_1"] = said["config_groups"]["group_0"].clone();
            said["config_groups"]["group_1"]["weights"]["num_bits"] = json!(8);
        },
        "several kinds",
    );
    let shape = |name: &str, spoil: &dyn Fn(&mut Json), says: &str| {
        refused(&with(&goldens[name], name, spoil), Code::BadShape, says);
    };
    for (name, tensor) in [("gptq", "qzeros"), ("mlx-bf16", "scales"), ("awq", "qzeros")] {
        shape(name, &|said| said["group_size"] = json!(64), &format!("{tensor}\" has the shape"));
    }
    shape("gptq", &|said| said["bits"] = json!(8), "8 bits");
    shape("fp8", &|said| said["weight_block_size"] = json!([128, 128]), "weight_scale_inv");
    shape("packed", &|said| said["config_groups"]["group_0"]["weights"]["num_bits"] = json!(8), "weight_scale");

    // A tensor that is not there, and one of another type: names of the same length keep the header whole.
    let renamed = |name: &str, from: &str, to: &str| {
        let mut files = repository(name);
        let bytes = files.get_mut(CODES).expect("the codes");
        let at = bytes.windows(from.len()).position(|bytes| bytes == from.as_bytes()).expect("it is there");
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        let index = files.get_mut("model.safetensors.index.json").expect("an index");
        *index = String::from_utf8_lossy(index).replace(from, to).into_bytes();
        files
    };
    refused(&renamed("gptq", "gate_proj.scales", "gate_proj.trials"), Code::MissingTensor, ".scales");
    refused(&renamed("awq", "gate_proj.qweight", "gate_proj.numbers"), Code::MissingTensor, "gate_proj");
}

/// What is wrong in what comes before the codes is told before these come.
#[test]
fn groups_and_zeros_are_what_config_promises() {
    let goldens = goldens();
    let broken = |name: &str, spoil: &dyn Fn(&mut Json)| {
        let error = converted(&with(&goldens[name], name, spoil), None).expect_err("not read");
        assert!(error.code == Code::BadHeader && error.message.contains("zeros or groups"), "{error}");
    };
    broken("gptq", &|said| said["sym"] = json!(true));
    broken("gptq-mixed", &|said| said["desc_act"] = json!(false));
}
