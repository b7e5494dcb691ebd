//! What a model tells of what it does.

use crate::chat::answer;
use crate::common::run::on_both_backends;
use crate::generation::{engine, greedy, prompt};
use pollster::block_on;
use serde_json::json;
use sotto::device::Backend;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::run::speculate::Speculate;
use sotto::wire::stats::{ModelStats, RequestStats};

fn everything_is_counted(backend: Backend) {
    let mut engine = engine(backend, 96);
    let kept = |most| GenerateOptions { fresh: false, speculate: Speculate::OFF, ..greedy(most) };
    let before = ModelStats::of(&mut engine);
    assert_eq!((before.requests.total, before.tokens.completion, before.cache.used), (0, 0, 0));
    let len = prompt().len();
    let mut begin = |most| Generation::with_tokens(&mut engine, prompt(), kept(most)).expect("a generation");
    let mut replies = [begin(8), begin(8), begin(90)];
    // The second has read the first's prompt from its cells; the third waits, as there are cells for two.
    while replies[0].tokens.len() < 4 || replies[1].tokens.is_empty() {
        replies.iter_mut().for_each(|reply| drop(block_on(reply.next(&mut engine)).expect("a step")));
    }
    let during = ModelStats::of(&mut engine);
    assert_eq!((during.requests.running, during.requests.waiting, during.requests.total), (2, 1, 3));
    assert_eq!((during.batch.last_rows, during.batch.last_requests), (2, 2));
    assert!(during.batch.passes >= 6 && during.batch.rows > during.batch.passes);
    assert!((2 * len as u32..=96).contains(&during.cache.used) && during.cache.cells == 96);
    assert!(during.tokens.completion_tps > 0.0 && during.tokens.prompt_tps > 0.0);
    assert_eq!((during.tokens.prompt as usize, during.cache.texts), (2 * len, 2));
    assert!(during.tokens.cached as usize >= len - 8, "{} of {len}", during.tokens.cached);
    while replies.iter_mut().any(|reply| block_on(reply.next(&mut engine)).expect("a step").is_some()) {}
    let after = ModelStats::of(&mut engine);
    assert_eq!((after.requests.running, after.requests.waiting), (0, 0));
    let written: usize = replies.iter().map(|reply| reply.tokens.len()).sum();
    assert_eq!((after.tokens.completion as usize, after.tokens.prompt as usize), (written, 3 * len));
    assert_eq!(after.speculation.drafted, 0);
}

fn guesses_are_counted(backend: Backend) {
    let mut engine = engine(backend, 256);
    let sampling = SamplingParams { logit_bias: vec![(40, 40.0), (41, 40.0)], ..Default::default() };
    let options = GenerateOptions { speculate: Speculate::Most(3), sampling, ..greedy(40) };
    let mut reply = Generation::with_tokens(&mut engine, prompt(), options).expect("a generation");
    while block_on(reply.next(&mut engine)).expect("a step").is_some() {}
    let stats = ModelStats::of(&mut engine);
    let told = (reply.timings.drafted_tokens, reply.timings.accepted_tokens);
    assert_eq!((stats.speculation.drafted, stats.speculation.accepted), told);
    assert!(told.1 > 10 && stats.batch.passes < 35, "{told:?}, {:?}", stats.batch);
}

/// As soon as it is asked.
fn what_nobody_reads_any_more_is_not_under_way(backend: Backend) {
    let mut engine = engine(backend, 96);
    let mut reply = Generation::with_tokens(&mut engine, prompt(), greedy(8)).expect("a generation");
    block_on(reply.next(&mut engine)).expect("a step");
    let other = Generation::with_tokens(&mut engine, prompt(), greedy(8)).expect("a generation");
    assert_eq!(ModelStats::of(&mut engine).requests.running + ModelStats::of(&mut engine).requests.waiting, 2);
    drop((reply, other));
    let RequestStats { running, waiting, total } = ModelStats::of(&mut engine).requests;
    assert_eq!((running, waiting, total), (0, 0, 2));
}

/// As in an answer's usage.
fn a_prompt_of_several_replies_counts_once(backend: Backend) {
    let mut engine = engine(backend, 256);
    for n in [3, 1] {
        let before = ModelStats::of(&mut engine).tokens;
        let answer = answer(&mut engine, &json!({ "prompt": "the cat and the dog", "n": n, "max_tokens": 4 }));
        let after = ModelStats::of(&mut engine).tokens;
        let usage = &answer["usage"];
        assert_eq!(after.prompt - before.prompt, usage["prompt_tokens"].as_u64().expect("a number"), "{n}");
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number");
        assert_eq!(after.cached - before.cached, cached, "{n}");
    }
}

on_both_backends!(
    everything_is_counted,
    guesses_are_counted,
    what_nobody_reads_any_more_is_not_under_way,
    a_prompt_of_several_replies_counts_once,
);
