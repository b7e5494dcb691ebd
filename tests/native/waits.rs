//! How long a reply waits where others come: for one pass, however many they are.

use crate::common::run::{load, on_both_backends};
use crate::generation::greedy;
use crate::states::text;
use pollster::block_on;
use sotto::device::Backend;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{Generation, Step};
use tiny_models as tiny;

fn engine(backend: Backend) -> Engine {
    let options = LoadOptions { backend, context: Some(256), cache_tokens: Some(2048), ..Default::default() };
    load(&tiny::build("llama-f32").expect("a tiny model"), options).expect("a model")
}

fn begin(engine: &mut Engine, prompt: Vec<u32>, most: u32) -> Generation {
    Generation::with_tokens(engine, prompt, greedy(most)).expect("a generation")
}

/// What comes next, if anything does.
fn next(engine: &mut Engine, reply: &mut Generation) -> Option<Step> {
    block_on(reply.next(engine)).expect("a step")
}

fn a_reply_goes_on_while_prompts_are_read(backend: Backend) {
    let mut engine = engine(backend);
    let mut story = begin(&mut engine, text(3, 10), 120);
    while story.tokens.len() < 5 {
        next(&mut engine, &mut story);
    }
    // Others ask by turns, as they came.
    let mut others: Vec<Generation> = (0..12).map(|i| begin(&mut engine, text(20 + i, 50), 4)).collect();
    let (mut passes, mut tokens) = (engine.counts.passes, story.tokens.len());
    while next(&mut engine, &mut story).is_some() {
        if story.tokens.len() > tokens {
            assert!(engine.counts.passes <= passes + 2, "{} passes for a token", engine.counts.passes - passes);
            (passes, tokens) = (engine.counts.passes, story.tokens.len());
        }
        for other in &mut others {
            next(&mut engine, other);
        }
    }
    // Those of the first, at least, were read meanwhile.
    assert!(tokens == 120 && !others[0].tokens.is_empty());
}

fn who_does_not_read_holds_nobody_up(backend: Backend) {
    let mut engine = engine(backend);
    let mut idler = begin(&mut engine, text(3, 10), 120);
    while idler.tokens.len() < 5 {
        next(&mut engine, &mut idler);
    }
    let mut other = begin(&mut engine, text(20, 100), 20);
    let asked = (0..200).take_while(|_| next(&mut engine, &mut other).is_some()).count();
    assert!(asked < 100 && other.tokens.len() == 20, "asked {asked} times for {} tokens", other.tokens.len());
    while idler.tokens.len() < 20 {
        next(&mut engine, &mut idler).expect("more to come");
    }
}

on_both_backends!(a_reply_goes_on_while_prompts_are_read, who_does_not_read_holds_nobody_up);
