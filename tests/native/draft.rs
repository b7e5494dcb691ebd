//! A second model guesses for the first, on each backend: replies are those of plain decoding.

use crate::common::run::{load, on_both_backends};
use crate::generation::{choices, engine, greedy};
use crate::speculate::{compare, draws_after_a_guess_have_the_models_distribution, most, off, prompt, whole, write};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use tiny_models as tiny;

/// A tiny model that guesses for an engine.
fn draft(name: &str, target: &Engine) -> Engine {
    let options = LoadOptions { max_rows: Some(16), kv: KvType::F32, ..Default::default() };
    load(&tiny::build(name).expect("a tiny model"), options.of_draft(target)).expect("a draft")
}

/// One that has `name` as draft.
pub fn guessed_by(backend: Backend, name: &str, context: u32) -> Engine {
    let mut engine = engine(backend, context);
    let draft = draft(name, &engine);
    engine.set_draft(draft).expect("they have one vocabulary");
    engine
}

/// One that is always right where nothing is drawn, and one that hardly ever is.
const DRAFTS: [&str; 2] = ["llama-f32", "llama-q8_0"];

fn each_reply_is_the_plain_one(backend: Backend) {
    for name in DRAFTS {
        let (mut engine, mut drafted, mut accepted) = (guessed_by(backend, name, 256), 0, 0);
        for seed in 0..40 {
            let options = GenerateOptions { fresh: seed % 3 == 0, ..greedy(30) };
            let plain = whole(&mut engine, &prompt(seed), off(options.clone()));
            let guessed = whole(&mut engine, &prompt(seed), most([1, 3, 7, 15][seed as usize % 4], options.clone()));
            compare(backend, &guessed, &plain);
            drafted += guessed.timings.drafted_tokens;
            accepted += guessed.timings.accepted_tokens;
            compare(backend, &whole(&mut engine, &prompt(seed), options), &plain);
        }
        println!("{name}: {accepted} of {drafted} guesses were right");
        assert_eq!(accepted == drafted, name == DRAFTS[0], "{accepted} of {drafted} by {name}");
        assert!(drafted > 400, "{drafted}");
    }
}

fn draws_are_those_of_plain_decoding(backend: Backend) {
    let (mut engine, mut drafted, mut accepted) = (guessed_by(backend, DRAFTS[0], 256), 0, 0);
    for seed in 0..8 {
        for sampling in choices() {
            let options = GenerateOptions { sampling, logprobs: Some(2), ..greedy(24) };
            let plain = whole(&mut engine, &prompt(seed), off(options.clone()));
            let guessed = whole(&mut engine, &prompt(seed), most(3, options));
            compare(backend, &guessed, &plain);
            drafted += guessed.timings.drafted_tokens;
            accepted += guessed.timings.accepted_tokens;
        }
    }
    assert!(accepted > 50 && drafted > accepted + 50, "{accepted} of {drafted} guesses were right");
}

fn what_is_drawn_has_the_models_distribution(backend: Backend) {
    let mut engine = guessed_by(backend, DRAFTS[1], 256);
    let (text, first) = ([70, 81, 92, 73, 64, 85, 76], 71);
    let mut alone = draft(DRAFTS[1], &engine);
    let guess = whole(&mut alone, &[&text[..], &[first]].concat(), greedy(1)).tokens[0];
    draws_after_a_guess_have_the_models_distribution(&mut engine, text, first, guess);
}

fn what_ends_a_reply_ends_it_among_guesses(backend: Backend) {
    let mut engine = guessed_by(backend, DRAFTS[0], 256);
    for seed in 0..4 {
        let prompt = prompt(seed);
        let plain = whole(&mut engine, &prompt, off(greedy(40)));
        for options in [
            GenerateOptions { stop_tokens: vec![plain.tokens[20]], ..greedy(40) },
            GenerateOptions { stop: vec![plain.text.chars().skip(9).take(3).collect()], ..greedy(40) },
            greedy(17),
        ] {
            let expected = whole(&mut engine, &prompt, off(options.clone()));
            compare(backend, &whole(&mut engine, &prompt, most(7, options)), &expected);
        }
        let mut cut = Generation::with_tokens(&mut engine, prompt.clone(), most(7, greedy(60))).expect("one");
        write(&mut engine, &mut cut, 20);
        cut.cancel();
        let end = block_on(cut.next(&mut engine)).expect("an end");
        assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })));
        let longer = [&prompt[..], &cut.tokens, &[41, 140]].concat();
        let kept = |options| GenerateOptions { fresh: false, ..options };
        let again = whole(&mut engine, &longer, kept(most(7, greedy(20))));
        compare(backend, &again, &whole(&mut engine, &longer, off(kept(greedy(20)))));
    }
}

/// Its guesses are dropped, and it is not asked again; guesses by the text go on.
fn a_draft_whose_numbers_are_none_ends_no_reply(backend: Backend) {
    let mut file = tiny::build(DRAFTS[0]).expect("a tiny model");
    let header = HeaderParser::new().push(&file).expect("a sound file").expect("a whole header").0;
    let at = header.catalog.tensor("output_norm.weight").expect("a norm").offset as usize;
    file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut engine = engine(backend, 256);
    let options = LoadOptions { max_rows: Some(16), kv: KvType::F32, ..Default::default() }.of_draft(&engine);
    engine.set_draft(load(&file, options).expect("a draft")).expect("one vocabulary");
    for seed in 0..4 {
        let plain = whole(&mut engine, &prompt(seed), off(greedy(30)));
        compare(backend, &whole(&mut engine, &prompt(seed), most(3, greedy(30))), &plain);
    }
}

/// The draft's context ends before the model's: from there on nothing is guessed.
fn a_draft_with_a_shorter_context_guesses_as_far_as_it_goes(backend: Backend) {
    let mut engine = engine(backend, 256);
    let short = LoadOptions { backend, context: Some(40), kv: KvType::F32, ..Default::default() };
    engine.set_draft(load(&tiny::build(DRAFTS[0]).expect("one"), short).expect("one")).expect("one vocabulary");
    let prompt = &prompt(3)[..8];
    let plain = whole(&mut engine, prompt, off(greedy(90)));
    let guessed = whole(&mut engine, prompt, most(3, greedy(90)));
    compare(backend, &guessed, &plain);
    assert!(guessed.timings.accepted_tokens > 10, "{} guesses were right", guessed.timings.accepted_tokens);
}

fn beside_other_replies_nothing_is_guessed(backend: Backend) {
    let mut engine = guessed_by(backend, DRAFTS[0], 256);
    let expected = [4, 5].map(|seed| whole(&mut engine, &prompt(seed), off(greedy(20))));
    let mut both =
        [4, 5].map(|seed| Generation::with_tokens(&mut engine, prompt(seed), most(3, greedy(20))).expect("one"));
    let mut going = 2;
    while going > 0 {
        going = 0;
        for reply in &mut both {
            going += usize::from(block_on(reply.next(&mut engine)).expect("a step").is_some());
        }
        assert!(going < 2 || both.iter().all(|reply| reply.timings.drafted_tokens == 0));
    }
    for (reply, expected) in both.iter().zip(&expected) {
        compare(backend, reply, expected);
    }
}

on_both_backends!(
    a_draft_whose_numbers_are_none_ends_no_reply,
    each_reply_is_the_plain_one,
    draws_are_those_of_plain_decoding,
    what_is_drawn_has_the_models_distribution,
    what_ends_a_reply_ends_it_among_guesses,
    a_draft_with_a_shorter_context_guesses_as_far_as_it_goes,
    beside_other_replies_nothing_is_guessed,
);

#[test]
fn a_draft_with_other_tokens_is_refused() {
    let mut engine = engine(Backend::Cpu, 128);
    let options = LoadOptions { backend: Backend::Cpu, ..Default::default() };
    let other = tiny::build("llama-spm-f32").expect("one");
    let draft = load(&other, options.of_draft(&engine)).expect("a model");
    let error = engine.set_draft(draft).expect_err("its tokens are others");
    assert_eq!(error.code, Code::OtherVocabulary, "{error}");
}
