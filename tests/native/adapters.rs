//! LoRA adapters: what models compute with them, beside each other, and what is refused.

use std::path::Path;

use crate::common::run::{golden, load, on_both_backends};
use crate::generation::{greedy, run};
use pollster::block_on;
use serde::Deserialize;
use sotto::base::error::{Code, Error, Result};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::file::adapter::AdapterParser;
use sotto::model::spec::Pooling;
use sotto::run::adapters::Wanted;
use sotto::run::batch::{Batch, Row};
use sotto::run::embed::EmbedOptions;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};
use tiny_models as tiny;

/// Numbers of a row that goldens have, one of so many, and the rows.
const STRIDE: usize = 5;
const ROWS: [usize; 3] = [0, 9, 23];
/// Relative to the largest number.
const CLOSE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    name: String,
    model: String,
    ids: Vec<u32>,
    base: Vec<Vec<f32>>,
    merged: Vec<Vec<f32>>,
}

fn engine(model: &str, backend: Backend) -> Engine {
    let file = tiny::build(model).or_else(|| tiny::encoders::build(model)).expect("a tiny model");
    let options =
        LoadOptions { backend, context: Some(64), cache_tokens: Some(256), kv: KvType::F32, ..Default::default() };
    let options = if model == "bert" { LoadOptions { cache_tokens: None, ..options } } else { options };
    load(&file, options).expect("an engine")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/golden/adapters").join(name)).expect("an adapter's file")
}

/// PEFT's, by the folder's name.
fn add(engine: &mut Engine, name: &str) -> Result<()> {
    let config = String::from_utf8(bytes(&format!("{name}/adapter_config.json"))).expect("text");
    add_bytes(engine, name, &bytes(&format!("{name}/adapter_model.safetensors")), Some(&config))
}

/// In pieces of an odd size.
fn add_bytes(engine: &mut Engine, name: &str, file: &[u8], config: Option<&str>) -> Result<()> {
    engine.begin_adapter(name, config)?;
    for piece in file.chunks(977) {
        engine.push_adapter(piece)?;
    }
    block_on(engine.finish_adapter()).map(drop)
}

fn wanted(list: &[(&str, f32)]) -> Wanted {
    list.iter().map(|(name, scale)| (name.to_string(), *scale)).collect()
}

/// What is computed of some ids, all of whose rows are wanted: in batches of so many.
fn compute(engine: &mut Engine, ids: &[u32], adapter: &Wanted, rows: usize) -> Vec<Vec<f32>> {
    if engine.check_writes().is_err() {
        let adapter = adapter.clone();
        let options = EmbedOptions { pooling: Some(Pooling::None), normalize: false, adapter, ..Default::default() };
        let found = block_on(engine.embed(&[ids.to_vec()], &options)).expect("states");
        return found[0].values.chunks(found[0].dimensions).map(<[f32]>::to_vec).collect();
    }
    let blend = engine.blend(adapter).expect("adapters");
    let sequence = engine.open_with(ids.len() as u32, &blend).expect("a sequence");
    let all: Vec<Row> =
        (0..).zip(ids).map(|(position, &token)| Row { token, position, sequence, logits: true }).collect();
    let mut logits = Vec::new();
    for part in all.chunks(rows) {
        let batch = Batch { rows: part.to_vec(), prefill: rows > 1 };
        let found = block_on(engine.forward(&batch)).expect("logits");
        logits.extend(found.chunks(engine.model.net.n_vocab as usize).map(<[f32]>::to_vec));
    }
    engine.close(sequence);
    logits
}

#[track_caller]
fn check(found: &[Vec<f32>], want: &[Vec<f32>], what: &str) {
    let largest = want.iter().flatten().fold(0.0f32, |most, x| most.max(x.abs()));
    for (row, want) in ROWS.iter().zip(want) {
        for (x, want) in found[*row].iter().step_by(STRIDE).zip(want) {
            assert!((x - want).abs() <= CLOSE * largest, "{what}, row {row}: {x}, not {want}");
        }
    }
}

on_both_backends!(
    models_compute_what_peft_merges,
    gguf_and_peft_say_the_same,
    beside_each_other_each_is_as_alone,
    what_does_not_fit_is_refused_and_nothing_is_lost,
    prefixes_are_those_of_one_adapter,
    adapters_come_and_go
);

fn models_compute_what_peft_merges(backend: Backend) {
    let goldens: Vec<Golden> = golden("adapters.json");
    assert_eq!(goldens.len(), 5);
    for Golden { name, model, ids, base, merged } in goldens {
        let mut engine = engine(&model, backend);
        check(&compute(&mut engine, &ids, &Wanted::new(), 8), &base, &format!("{name} before"));
        add(&mut engine, &name).expect("an adapter");
        let one = wanted(&[(&name, 1.0)]);
        for rows in [8, 3, 1] {
            check(&compute(&mut engine, &ids, &one, rows), &merged, &format!("{name} by {rows}"));
            check(&compute(&mut engine, &ids, &Wanted::new(), rows), &base, &format!("without {name} by {rows}"));
        }
        check(&compute(&mut engine, &ids, &wanted(&[(&name, 0.0)]), 8), &base, &format!("{name} by nothing"));
    }
}

fn gguf_and_peft_say_the_same(backend: Backend) {
    let ids: Vec<u32> = (3..20).collect();
    let mut engine = engine("llama-f32", backend);
    add(&mut engine, "llama").expect("an adapter");
    add_bytes(&mut engine, "gguf", &bytes("llama.gguf"), None).expect("an adapter");
    let [peft, gguf] = ["llama", "gguf"].map(|name| compute(&mut engine, &ids, &wanted(&[(name, 0.7)]), 8));
    let furthest = peft.iter().flatten().zip(gguf.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-5, "{furthest}");
    // Half of one and half of its like are one.
    let halves = compute(&mut engine, &ids, &wanted(&[("llama", 0.35), ("gguf", 0.35)]), 8);
    let furthest = peft.iter().flatten().zip(halves.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-4, "{furthest}");
    let infos = engine.adapters();
    assert_eq!(
        infos.iter().map(|info| (info.id.as_str(), info.rank, info.tensors)).collect::<Vec<_>>(),
        [("llama", 4, 23), ("gguf", 4, 23)]
    );
}

fn told(adapter: &Wanted, most: u32) -> GenerateOptions {
    GenerateOptions { adapter: adapter.clone(), logprobs: Some(1), fresh: true, ..greedy(most) }
}

fn beside_each_other_each_is_as_alone(backend: Backend) {
    let mut engine = engine("llama-f32", backend);
    add(&mut engine, "llama").expect("an adapter");
    add(&mut engine, "llama-other").expect("another");
    let blends = [
        wanted(&[("llama", 1.0)]),
        Wanted::new(),
        wanted(&[("llama-other", 1.5)]),
        wanted(&[("llama", 0.5), ("llama-other", -1.0)]),
    ];
    let prompt = |at: usize| (0..5 + 4 * at as u32).map(|i| 10 + (7 * i + at as u32) % 80).collect::<Vec<u32>>();
    let mut alone = Vec::new();
    for (at, blend) in blends.iter().enumerate() {
        let mut one = Generation::with_tokens(&mut engine, prompt(at), told(blend, 12)).expect("a generation");
        while block_on(one.next(&mut engine)).expect("a step").is_some() {}
        alone.push(one);
    }
    let begin = |(at, blend): (usize, &Wanted)| Generation::with_tokens(&mut engine, prompt(at), told(blend, 12));
    let mut together: Vec<Generation> = blends.iter().enumerate().map(begin).collect::<Result<_>>().expect("some");
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for one in &mut together {
            goes_on |= block_on(one.next(&mut engine)).expect("a step").is_some();
        }
    }
    let apart = if backend == Backend::Cpu { 0.0 } else { 2e-5 };
    for (one, alone) in together.iter().zip(&alone) {
        assert_eq!(one.tokens, alone.tokens);
        for (one, alone) in one.logprobs.iter().zip(&alone.logprobs) {
            assert!((one.logprob - alone.logprob).abs() <= apart, "{one:?}, alone {alone:?}");
        }
    }
    assert!(alone[0].tokens != alone[1].tokens && alone[1].tokens != alone[2].tokens);
}

fn what_does_not_fit_is_refused_and_nothing_is_lost(backend: Backend) {
    let mut engine = engine("qwen2-f32", backend);
    add(&mut engine, "qwen2").expect("an adapter");
    let ids: Vec<u32> = (3..20).collect();
    let one = wanted(&[("qwen2", 1.0)]);
    let (before, memory) = (compute(&mut engine, &ids, &one, 8), engine.device.bytes());
    for (file, config, says) in [
        ("llama.gguf", None, "made for \"llama\" models, but this one is qwen2"),
        ("gemma3/adapter_model.safetensors", Some("gemma3"), "fit one of"),
        ("llama/adapter_model.safetensors", Some("llama"), "fit one of"),
        ("bert/adapter_model.safetensors", Some("bert"), "which a qwen2 model does not have"),
        ("qwen2/adapter_model.safetensors", None, "adapter_config.json"),
        ("qwen2/adapter_config.json", Some("qwen2"), "no safetensors file"),
    ] {
        let config = config.map(|name| String::from_utf8(bytes(&format!("{name}/adapter_config.json"))).expect("text"));
        let error = add_bytes(&mut engine, "other", &bytes(file), config.as_deref()).expect_err(file);
        assert_eq!(error.code, Code::BadAdapter, "{error}");
        assert!(error.message.contains(says), "{file}: {error}");
    }
    // Of a model with more layers.
    let more = engine_of_one_layer_less(backend);
    assert!(more.message.contains("layer 3") && more.message.contains("3 layers end at 2"), "{more}");
    let model = tiny::build("qwen2-f32").expect("a tiny model");
    let error = add_bytes(&mut engine, "model", &model, None).expect_err("a model");
    assert!(error.message.contains("is no adapter"), "{error}");
    assert_eq!(add(&mut engine, "qwen2").expect_err("twice").code, Code::BadOption);
    assert_eq!(engine.adapters().len(), 1);
    assert_eq!(engine.device.bytes(), memory);
    assert_eq!(compute(&mut engine, &ids, &one, 8), before);
    let unknown = Generation::with_tokens(&mut engine, ids.clone(), told(&wanted(&[("poet", 1.0)]), 1)).err();
    assert!(unknown.expect("there is none").message.contains("adapter names \"poet\""));
}

/// What is said of Gemma's seven layers to Llama's three, of which shapes are alike: the names alone are read.
fn engine_of_one_layer_less(backend: Backend) -> Error {
    let mut engine = engine("llama-f32", backend);
    let file = bytes("llama-other/adapter_model.safetensors");
    // One digit of a header's JSON.
    let text = b"layers.2.self_attn.q_proj";
    let mut changed = file.clone();
    for at in 0..file.len() - text.len() {
        if &file[at..at + text.len()] == text {
            changed[at + 7] = b'3';
        }
    }
    let config = String::from_utf8(bytes("llama-other/adapter_config.json")).expect("text");
    add_bytes(&mut engine, "deep", &changed, Some(&config)).expect_err("too deep")
}

fn prefixes_are_those_of_one_adapter(backend: Backend) {
    let mut engine = engine("llama-f32", backend);
    add(&mut engine, "llama").expect("an adapter");
    let prompt: Vec<u32> = (10..40).collect();
    let options = |adapter: &[(&str, f32)]| GenerateOptions { adapter: wanted(adapter), fresh: false, ..greedy(2) };
    let cached = |engine: &mut Engine, adapter: &[(&str, f32)]| {
        let mut one = Generation::with_tokens(engine, prompt.clone(), options(adapter)).expect("a generation");
        while block_on(one.next(engine)).expect("a step").is_some() {}
        one.timings.cached_tokens
    };
    assert_eq!(cached(&mut engine, &[]), 0);
    assert_eq!(cached(&mut engine, &[("llama", 1.0)]), 0);
    assert_eq!(cached(&mut engine, &[("llama", 0.5)]), 0);
    for adapter in [&[][..], &[("llama", 0.0)], &[("llama", 1.0)], &[("llama", 0.5)]] {
        assert_eq!(cached(&mut engine, adapter), prompt.len() - 1, "{adapter:?}");
    }
    engine.unload_adapter("llama").expect("it goes");
    add(&mut engine, "llama").expect("it comes again");
    assert_eq!(cached(&mut engine, &[("llama", 1.0)]), 0);
    assert_eq!(cached(&mut engine, &[]), prompt.len() - 1);
}

fn adapters_come_and_go(backend: Backend) {
    let mut engine = engine("llama-f32", backend);
    let ids: Vec<u32> = (3..20).collect();
    let (plain, memory) = (compute(&mut engine, &ids, &Wanted::new(), 8), engine.device.bytes());
    add(&mut engine, "llama").expect("an adapter");
    add(&mut engine, "llama-other").expect("another");
    let other = wanted(&[("llama-other", 1.0)]);
    let with = compute(&mut engine, &ids, &other, 8);
    // A reply that is under way keeps its adapter; when others come and go it goes on.
    let mut one = Generation::with_tokens(&mut engine, ids.clone(), told(&other, 12)).expect("a generation");
    for _ in 0..4 {
        block_on(one.next(&mut engine)).expect("a step");
    }
    let error = engine.unload_adapter("llama-other").expect_err("it is used");
    assert!(error.message.contains("under way"), "{error}");
    engine.unload_adapter("llama").expect("it goes");
    add_bytes(&mut engine, "gguf", &bytes("llama.gguf"), None).expect("another comes");
    while block_on(one.next(&mut engine)).expect("a step").is_some() {}
    assert_eq!(compute(&mut engine, &ids, &other, 8), with);
    assert_eq!(one.tokens, run(&mut engine, &ids, told(&other, 12)).tokens);
    engine.unload_adapter("llama-other").expect("it goes");
    engine.unload_adapter("gguf").expect("it goes");
    assert_eq!(engine.unload_adapter("gguf").expect_err("it is gone").code, Code::BadOption);
    // Activations that were made larger stay so.
    assert!(engine.device.bytes() <= memory + memory / 20, "{} of {memory}", engine.device.bytes());
    assert_eq!(compute(&mut engine, &ids, &Wanted::new(), 8), plain);
}

#[test]
fn files_that_are_cut_or_damaged_are_errors() {
    let mut engine = engine("llama-f32", Backend::Cpu);
    let config = String::from_utf8(bytes("llama/adapter_config.json")).expect("text");
    for (name, config) in [("llama.gguf", None), ("llama/adapter_model.safetensors", Some(config.as_str()))] {
        let whole = bytes(name);
        for cut in (0..whole.len()).step_by(whole.len() / 97) {
            let error = add_bytes(&mut engine, "cut", &whole[..cut], config).expect_err("a cut file");
            assert!(matches!(error.code, Code::Truncated | Code::BadAdapter), "{cut}: {error}");
        }
        let mut state = 5u64;
        for _ in 0..400 {
            let mut damaged = whole.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (state >> 33) as usize % 6000.min(whole.len());
                damaged[at] = (state >> 20) as u8;
            }
            // It fits or it does not, and nothing panics.
            if add_bytes(&mut engine, "damaged", &damaged, config).is_ok() {
                engine.unload_adapter("damaged").expect("it goes");
            }
        }
    }
    assert!(engine.adapters().is_empty());
    assert!(!compute(&mut engine, &[3, 4, 5], &Wanted::new(), 3).is_empty());
}

#[test]
fn what_peft_asks_for_beyond_is_refused_by_name() {
    let config = |change: (&str, serde_json::Value)| {
        let mut json: serde_json::Value =
            serde_json::from_slice(&bytes("llama/adapter_config.json")).expect("adapter_config.json");
        json[change.0] = change.1;
        AdapterParser::new("llama", Some(&json.to_string())).map(drop)
    };
    assert!(config(("r", 8.into())).is_ok());
    for (member, value) in [
        ("use_dora", true.into()),
        ("bias", "all".into()),
        ("modules_to_save", serde_json::json!(["lm_head"])),
        ("peft_type", "LOHA".into()),
        ("lora_alpha", serde_json::Value::Null),
        ("alpha_pattern", serde_json::json!({ "layers\\.[0-2]": 3 })),
        ("target_parameters", serde_json::json!(["experts.gate_up_proj"])),
    ] {
        let error = config((member, value)).expect_err(member);
        assert!(error.code == Code::BadAdapter && !error.message.is_empty(), "{member}: {error}");
    }
    // A header of a gigabyte is not waited for.
    let text = String::from_utf8(bytes("llama/adapter_config.json")).expect("text");
    let mut parser = AdapterParser::new("llama", Some(&text)).expect("a parser");
    let error = parser.push(&[&(1u64 << 30).to_le_bytes()[..], b"{"].concat()).expect_err("too long");
    assert_eq!(error.code, Code::BadAdapter);
    let mut parser = AdapterParser::new("gptneox", Some(&text)).expect("a parser");
    let error = parser.push(&bytes("llama/adapter_model.safetensors")).expect_err("no names");
    assert!(error.message.contains("convert_lora_to_gguf.py"), "{error}");
}
