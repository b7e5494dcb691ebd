//! A beginning that many chats share, read before them and kept.

use crate::chat::{answer, user};
use crate::common::run::on_both_backends;
use crate::generation::{engine, greedy, run};
use pollster::block_on;
use serde_json::{Value, json};
use sotto::chat::prime::prime;
use sotto::chat::request::ChatRequest;
use sotto::device::Backend;
use sotto::run::engine::Engine;
use sotto::run::session::GenerateOptions;
use sotto::wire::stats::ModelStats;

fn system(words: usize) -> Value {
    json!({ "role": "system", "content": "the cat and the dog and ".repeat(words) })
}

/// Primes; the tokens that were read.
fn primed(engine: &mut Engine, messages: Value) -> usize {
    let request: ChatRequest = serde_json::from_value(json!({ "messages": messages })).expect("a request");
    let mut reading = prime(engine, &request).expect("it begins");
    while block_on(reading.next(engine)).expect("a step").is_some() {}
    assert!(reading.tokens.is_empty());
    reading.prompt.len()
}

/// Tokens of the prompt, and how many of them were in the cache.
fn asked(engine: &mut Engine, messages: Value) -> (usize, usize) {
    let request = json!({ "messages": messages, "temperature": 0, "max_tokens": 4 });
    let usage = answer(engine, &request)["usage"].take();
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    (number(&usage["prompt_tokens"]), number(&usage["prompt_tokens_details"]["cached_tokens"]))
}

fn what_is_primed_is_read_once(backend: Backend) {
    let mut engine = engine(backend, 256);
    let prefix = primed(&mut engine, json!([system(8)]));
    let mut questions = 0;
    for i in 0..20 {
        let (prompt, cached) = asked(&mut engine, json!([system(8), user(&format!("{i} is it?"))]));
        // The first token of two questions may be the same.
        assert!(cached >= prefix && prompt - cached < 40, "{cached} of {prompt}, {prefix} were read before");
        questions += prompt - prefix;
    }
    let stats = ModelStats::of(&mut engine);
    let computed = (stats.tokens.prompt - stats.tokens.cached) as usize;
    assert!(computed <= prefix + questions, "{computed} tokens computed, {prefix} and {questions} are new");
    // Again it is there but for its last token, and is not kept twice.
    let texts = stats.cache.texts;
    primed(&mut engine, json!([system(8)]));
    assert_eq!(ModelStats::of(&mut engine).cache.texts, texts);
}

fn it_stays_when_other_texts_come_and_go(backend: Backend) {
    for keeps in [false, true] {
        let mut engine = engine(backend, 256);
        let messages = json!([system(4), user("what?")]);
        let prefix = if keeps { primed(&mut engine, json!([system(4)])) } else { 0 };
        asked(&mut engine, messages.clone());
        for first in 0..6 {
            let text: Vec<u32> = (0..90).map(|i| 30 + (first * 17 + i * 7) % 90).collect();
            run(&mut engine, &text, GenerateOptions { fresh: false, ..greedy(4) });
        }
        let (_, cached) = asked(&mut engine, messages);
        assert_eq!(cached >= prefix.max(20), keeps, "{cached} of {prefix}");
        // It goes where a text needs every cell.
        run(&mut engine, &[35; 250], greedy(4));
    }
}

on_both_backends!(what_is_primed_is_read_once, it_stays_when_other_texts_come_and_go);
