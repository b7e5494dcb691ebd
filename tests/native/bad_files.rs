//! Files that are not what they should be, through the loader: refused with a code, never a panic, and whatever
//! happened before, a sound file loads afterwards.

use crate::common::run::{load, on_both_backends};
use pollster::block_on;
use sotto::base::error::{Code, Error, Result};
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::{LoadOptions, Loader};
use sotto::run::session::{GenerateOptions, Generation, Step};
use tiny_models as tiny;
use tiny_models::gguf::Value;

fn generate(engine: &mut Engine, prompt: &Prompt) -> Result<Vec<u32>> {
    let options = GenerateOptions { max_tokens: Some(4), ignore_eos: true, ..Default::default() };
    let mut generation = Generation::new(engine, prompt, options)?;
    while let Some(step) = block_on(generation.next(engine))? {
        if matches!(step, Step::End { .. }) {
            break;
        }
    }
    assert!(block_on(generation.next(engine))?.is_none());
    Ok(generation.tokens)
}

fn on(backend: Backend) -> LoadOptions {
    LoadOptions { backend, ..Default::default() }
}

/// Loads the file and says something to it, with messages as a chat does.
fn chat(file: &[u8]) -> Result<Vec<u32>> {
    chat_on(Backend::Cpu, file)
}

fn chat_on(backend: Backend, file: &[u8]) -> Result<Vec<u32>> {
    let mut engine = load(file, on(backend))?;
    generate(&mut engine, &Prompt::Messages(serde_json::json!([{ "role": "user", "content": "hello" }])))
}

#[test]
fn every_bad_file_is_refused_with_its_code() {
    let mut wrong = Vec::new();
    for bad in tiny::bad::FILES {
        match chat(&tiny::bad::build(bad.name).unwrap()) {
            Ok(_) => wrong.push(format!("{} was accepted", bad.name)),
            Err(e) if !bad.codes.contains(&e.code.as_str()) => wrong.push(format!("{}: {e}", bad.name)),
            Err(e) => assert!(e.message.len() > 20 && e.message.ends_with('.'), "{}: {e}", bad.name),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(chat(&tiny::build("llama-f32").unwrap()).map(|t| t.len()), Ok(4));
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let file = tiny::build("llama-q4_k").unwrap();
    let header = HeaderParser::new().push(&file).unwrap().expect("a whole header").0;
    // What lies behind the last tensor is padding.
    let end = header.catalog.file_bytes as usize;
    let cuts = (0..40).chain((40..end).step_by(end / 40)).chain([end - 1]);
    for cut in cuts {
        let error = load(&file[..cut], on(Backend::Cpu)).err();
        assert_eq!(error.map(|e| e.code), Some(Code::Truncated), "cut at {cut}");
    }
}

#[test]
fn bytes_after_the_last_tensor_do_no_harm() {
    let mut file = tiny::build("llama-f32").unwrap();
    let expected = chat(&file);
    file.extend([0xa5; 100_001]);
    assert_eq!(chat(&file), expected);
}

on_both_backends!(
    garbage_for_weights_never_panics,
    weights_that_are_not_numbers_are_told_and_leave_the_engine_standing,
);

/// Random bytes from a third of the file on: whatever weights they make, there are logits or an error.
fn garbage_for_weights_never_panics(backend: Backend) {
    for name in ["llama-f32", "llama-q4_0", "llama-q6_k", "gemma3-mixed"] {
        let mut file = tiny::build(name).unwrap();
        let start = file.len() / 3;
        let mut rng = tiny::gguf::Rng::named(name);
        file[start..].iter_mut().for_each(|b| *b = rng.next() as u8);
        match chat_on(backend, &file) {
            Ok(_) => {}
            Err(e) => assert!([Code::BadLogits, Code::BadHeader, Code::BadMetadata].contains(&e.code), "{name}: {e}"),
        }
    }
}

fn weights_that_are_not_numbers_are_told_and_leave_the_engine_standing(backend: Backend) {
    let mut engine = load(&tiny::bad::build("bad-weights-nan").unwrap(), on(backend)).expect("a model");
    for _ in 0..2 {
        let error = generate(&mut engine, &Prompt::Raw("hello".into())).unwrap_err();
        assert_eq!(error.code, Code::BadLogits);
    }
    let error = block_on(sotto::eval::score(&mut engine, "hello there")).unwrap_err();
    assert_eq!(error.code, Code::BadLogits);
    // Text can still be turned into tokens.
    assert!(engine.encode(&Prompt::Raw("hello".into())).is_ok());
}

#[test]
fn a_loader_that_failed_says_so() {
    let mut loader = block_on(Loader::new(on(Backend::Cpu))).expect("a device");
    assert_eq!(loader.push(b"<!doctype html>").unwrap_err().code, Code::NotGguf);
    assert_eq!(loader.push(b"more").unwrap_err().code, Code::Internal);
    let error: Error = block_on(loader.finish()).err().expect("an error");
    assert_eq!(error.code, Code::Internal);
}

/// The header's bytes are all that a page has fetched by then.
#[test]
fn what_is_not_known_is_named_by_the_header_alone() {
    let text = |value: &str| Value::Str(value.into());
    for (model, key, value, code, named) in [
        ("llama-f32", "general.architecture", text("mamba9"), Code::UnsupportedArchitecture, "mamba9"),
        ("llama-f32", "llama.pooling_type", Value::U32(9), Code::UnsupportedArchitecture, "by way 9"),
        ("llama-f32", "llama.rope.scaling.type", text("su"), Code::UnsupportedArchitecture, "su"),
        ("llama-f32", "tokenizer.ggml.model", text("made-up"), Code::UnsupportedTokenizer, "made-up"),
        ("llama-f32", "tokenizer.ggml.pre", text("no-such"), Code::UnsupportedTokenizer, "no-such"),
        ("llama-f32", "", Value::U32(15), Code::UnsupportedTensorType, "15"),
        ("bert", "bert.pooling_type", Value::U32(5), Code::UnsupportedArchitecture, "by way 5"),
    ] {
        let row = tiny::encoders::ROWS.iter().find(|row| row.name == model);
        let mut file = match row {
            Some(row) => row.assemble(),
            None => tiny::assemble(tiny::find(model).expect("a model")),
        };
        let sound = file.to_bytes();
        let (header, _) = HeaderParser::new().push(&sound).unwrap().expect("a whole header");
        match value {
            Value::U32(kind) if key.is_empty() => file.tensors[1].kind_id = kind,
            value => file.set(key, value),
        }
        // At most so much longer, with a key more.
        let most = (header.data_offset as usize + 64).min(sound.len());
        let mut loader = block_on(Loader::new(on(Backend::Cpu))).expect("a device");
        let error = loader.push(&file.to_bytes()[..most]).expect_err(named);
        assert!(error.code == code && error.message.contains(named), "{error}");
    }
}
