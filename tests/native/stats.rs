//! What a model tells of what it does.

use crate::common::run::on_both_backends;
use crate::generation::{engine, greedy, prompt};
use pollster::block_on;
use sotto::device::Backend;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::run::speculate::Speculate;
use sotto::wire::stats::ModelStats;

fn everything_is_counted(backend: Backend) {
    let mut engine = engine(backend, 96);
    let kept = |most| GenerateOptions { fresh: false, speculate: Speculate::OFF, ..greedy(most) };
    let before = ModelStats::of(&engine);
    assert_eq!((before.requests.total, before.tokens.completion, before.cache.used), (0, 0, 0));
    let len = prompt().len();
    let mut begin = |most| Generation::with_tokens(&mut engine, prompt(), kept(most)).expect("a generation");
    let mut replies = [begin(8), begin(8), begin(90)];
    // The second has read the first's prompt from its cells; the third waits, as there are cells for two.
    while replies[0].tokens.len() < 4 || replies[1].tokens.is_empty() {
        replies.iter_mut().for_each(|reply| drop(block_on(reply.next(&mut engine)).expect("a step")));
    }
    let during = ModelStats::of(&engine);
    assert_eq!((during.requests.running, during.requests.waiting, during.requests.total), (2, 1, 3));
    assert_eq!((during.batch.last_rows, during.batch.last_requests), (2, 2));
    assert!(during.batch.passes >= 6 && during.batch.rows > during.batch.passes);
    assert!((2 * len as u32..=96).contains(&during.cache.used) && during.cache.cells == 96);
    assert!(during.tokens.completion_tps > 0.0 && during.tokens.prompt_tps > 0.0);
    assert_eq!((during.tokens.prompt as usize, during.cache.texts), (2 * len, 2));
    assert!(during.tokens.cached as usize >= len - 8, "{} of {len}", during.tokens.cached);
    while replies.iter_mut().any(|reply| block_on(reply.next(&mut engine)).expect("a step").is_some()) {}
    let after = ModelStats::of(&engine);
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
    let stats = ModelStats::of(&engine);
    let told = (reply.timings.drafted_tokens, reply.timings.accepted_tokens);
    assert_eq!((stats.speculation.drafted, stats.speculation.accepted), told);
    assert!(told.1 > 10 && stats.batch.passes < 35, "{told:?}, {:?}", stats.batch);
}

on_both_backends!(everything_is_counted, guesses_are_counted);
