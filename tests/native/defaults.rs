//! What a file says, where the caller says nothing: how replies are drawn, and where they end.

use crate::common::run::load;
use crate::generation::{greedy, run};
use serde_json::{Value as Json, json};
use sotto::chat::request::{ChatRequest, CompletionRequest};
use sotto::device::Backend;
use sotto::file::{Metadata, Value};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::session;
use sotto::text::tokenizer::Tokenizer;
use sotto::wire::info::ModelInfo;
use sotto::wire::options::GenerateOptions;
use tiny_models::archs::ROWS;
use tiny_models::gguf::Value as Written;

fn engine(keys: &[(&str, Written)]) -> Engine {
    let mut file = ROWS.iter().find(|row| row.name == "llama/narrow").expect("a row").assemble();
    keys.iter().for_each(|(key, value)| file.set(key, value.clone()));
    load(&file.to_bytes(), LoadOptions { backend: Backend::Cpu, ..Default::default() }).expect("an engine")
}

fn sampling(key: &str, value: Value) -> SamplingParams {
    let mut metadata = Metadata::default();
    metadata.insert(format!("general.sampling.{key}"), value);
    SamplingParams::of_file(&metadata)
}

fn options(engine: &Engine, given: Json) -> session::GenerateOptions {
    let options: GenerateOptions = serde_json::from_value(given).expect("options");
    options.read(&engine.sampling).expect("good options")
}

#[test]
fn each_number_of_the_file_is_read() {
    let chat = SamplingParams::chat();
    let cases = [
        ("temp", Value::F64(0.25), SamplingParams { temperature: 0.25, ..chat.clone() }),
        ("temp", Value::F64(-1.0), SamplingParams { temperature: 0.0, ..chat.clone() }),
        ("top_k", Value::I64(20), SamplingParams { top_k: 20, ..chat.clone() }),
        ("top_k", Value::I64(-1), SamplingParams { top_k: 0, ..chat.clone() }),
        ("top_p", Value::F64(0.5), SamplingParams { top_p: 0.5, ..chat.clone() }),
        ("min_p", Value::U64(1), SamplingParams { min_p: 1.0, ..chat.clone() }),
        ("penalty_repeat", Value::F64(1.5), SamplingParams { repeat_penalty: 1.5, ..chat.clone() }),
        ("penalty_last_n", Value::I64(7), SamplingParams { repeat_last_n: 7, ..chat.clone() }),
        ("penalty_last_n", Value::I64(-1), SamplingParams { repeat_last_n: u32::MAX, ..chat.clone() }),
    ];
    for (key, value, want) in cases {
        assert_eq!(sampling(key, value.clone()), want, "{key} {value:?}");
    }
    // What no option may be, what is no number, and other samplers.
    let others = [
        ("temp", Value::F64(f64::NAN)),
        ("temp", Value::F64(1e9)),
        ("top_p", Value::F64(1.5)),
        ("min_p", Value::F64(-0.1)),
        ("penalty_repeat", Value::F64(0.0)),
        ("top_k", Value::Str("40".into())),
        ("mirostat", Value::I64(2)),
    ];
    for (key, value) in others {
        assert_eq!(sampling(key, value.clone()), chat, "{key} {value:?}");
    }
}

#[test]
fn the_caller_goes_before_the_file_and_the_file_before_sotto() {
    let keys = [("temp", Written::F32(0.5)), ("top_k", Written::U32(3)), ("penalty_last_n", Written::U32(9))];
    let keys = keys.map(|(key, value)| (format!("general.sampling.{key}"), value));
    let engine = engine(&keys.each_ref().map(|(key, value)| (key.as_str(), value.clone())));
    let told =
        json!({ "temperature": 0.5, "topK": 3, "topP": 0.95, "minP": 0.05, "repeatPenalty": 1.0, "repeatLastN": 9 });
    assert_eq!(serde_json::to_value(ModelInfo::of(&engine)).expect("JSON")["sampling"], told);
    let want = SamplingParams { temperature: 0.5, top_k: 7, repeat_last_n: 9, seed: 4, ..SamplingParams::chat() };
    assert_eq!(options(&engine, json!({ "topK": 7, "seed": 4 })).sampling, want);
    assert_eq!(options(&engine, json!({ "topK": 7, "temperature": null, "seed": 4 })).sampling, want);
    let said = json!({ "messages": [], "prompt": "", "top_k": 7, "seed": 4 });
    let chat: ChatRequest = serde_json::from_value(said.clone()).expect("a request");
    assert_eq!(chat.options(&engine.sampling).expect("options").sampling, want);
    let text: CompletionRequest = serde_json::from_value(said).expect("a request");
    assert_eq!(text.options(&engine.sampling).expect("options").sampling, want);
}

/// A file that asks for the likeliest token gets it, whatever the seed; a caller gets another.
#[test]
fn replies_are_drawn_as_the_file_says() {
    let mut engine = engine(&[("general.sampling.temp", Written::F32(0.0))]);
    let prompt = [3, 14, 15, 92, 65];
    let best = run(&mut engine, &prompt, greedy(12)).tokens;
    let mut reply = |given: Json| {
        let sampling = options(&engine, given).sampling;
        run(&mut engine, &prompt, session::GenerateOptions { sampling, ..greedy(12) }).tokens
    };
    assert_eq!(reply(json!({ "seed": 1 })), best);
    assert_eq!(reply(json!({ "seed": 2 })), best);
    assert_ne!(reply(json!({ "seed": 2, "temperature": 1.5, "topK": 0 })), best);
}

#[test]
fn replies_end_at_the_tokens_that_the_file_names() {
    let texts = ["a", "b", "<|end|>", "<|return|>", "<|calls|>", "</s>", "<|tool_response>", "c"];
    let ends = |keep: &[usize], keys: &[(&str, u64)]| {
        let mut metadata = Metadata::default();
        metadata.insert("tokenizer.ggml.model", Value::Str("llama".into()));
        let kept = keep.iter().map(|at| texts[*at].to_string()).collect();
        metadata.insert("tokenizer.ggml.tokens", Value::Strings(kept));
        metadata.insert("tokenizer.ggml.scores", Value::Floats(vec![0.0; keep.len()]));
        metadata.insert("tokenizer.ggml.eos_token_id", Value::U64(0));
        for (key, id) in keys {
            metadata.insert(format!("tokenizer.ggml.{key}_token_id"), Value::U64(*id));
        }
        let tokenizer = Tokenizer::from_metadata(&mut metadata).expect("a tokenizer");
        tokenizer.eog_ids().iter().map(|id| tokenizer.token_text(*id).expect("a token").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ends(&[0, 1, 7], &[]), ["a"]);
    for key in ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"] {
        let want: &[&str] = if key == "eos" { &["c"] } else { &["a", "c"] };
        assert_eq!(ends(&[0, 1, 7], &[(key, 2)]), want, "{key}");
        // No token of this vocabulary; SentencePiece's own has the number 2.
        assert_eq!(ends(&[0, 1, 7], &[(key, 9)]), if key == "eos" { ["c"] } else { ["a"] }, "{key}");
    }
    assert_eq!(ends(&[0, 2, 3], &[]), ["a", "<|end|>", "<|return|>"]);
    assert_eq!(ends(&[0, 2, 3, 4], &[]), ["a", "<|return|>", "<|calls|>"], "a reply has many of them");
    assert_eq!(ends(&[0, 5], &[]), ["a", "</s>"]);
    assert_eq!(ends(&[0, 5, 6], &[]), ["a", "<|tool_response>"], "a tag as others are");
}
