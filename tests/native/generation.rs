//! Generations on tiny models, on each backend: what ends them, what repeats them, what they reuse.

use crate::common::run;
use crate::common::run::{TinyGolden, golden, gpu, load, on_both_backends};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::memory::Memory;
use sotto::file::gguf::HeaderParser;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use sotto::run::speculate::Speculate;
use tiny_models as tiny;

pub fn engine(backend: Backend, context: u32) -> Engine {
    deep_engine(backend, "llama-f32", context, if backend == Backend::Cpu { 1 } else { 3 })
}

/// An engine that decodes `depth` tokens at a time.
pub fn deep_engine(backend: Backend, name: &str, context: u32, depth: usize) -> Engine {
    let options = LoadOptions {
        backend,
        context: Some(context),
        max_rows: Some(16),
        depth: Some(depth),
        kv: KvType::F32,
        ..Default::default()
    };
    load(&tiny::build(name).unwrap(), options).expect("a model")
}

pub fn prompt() -> Vec<u32> {
    golden::<TinyGolden>("tiny_llama-f32.json").prompt
}

/// Greedy, past end-of-text tokens.
pub fn greedy(max_tokens: u32) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), ignore_eos: true, fresh: true, ..Default::default() }
}

pub struct Run {
    pub tokens: Vec<u32>,
    pub text: String,
    pub reason: FinishReason,
    pub cached: usize,
    pub prefills: Vec<usize>,
}

/// Runs to the end; checks that the streamed pieces make up the whole.
pub fn run(engine: &mut Engine, prompt: &[u32], options: GenerateOptions) -> Run {
    let mut generation = Generation::with_tokens(engine, prompt.to_vec(), options).expect("a generation");
    let (mut text, mut tokens, mut prefills, mut reason) = (String::new(), Vec::new(), Vec::new(), None);
    while let Some(step) = block_on(generation.next(engine)).expect("a step") {
        assert_eq!(reason, None, "a step after the end");
        match step {
            Step::Prefill { done, total } => {
                assert_eq!(total, prompt.len());
                prefills.push(done);
            }
            Step::Waiting => panic!("it is alone"),
            Step::Token { text: piece, tokens: ids } => {
                text.push_str(&piece);
                tokens.extend(ids);
            }
            Step::End { reason: why, text: piece, tokens: ids } => {
                text.push_str(&piece);
                tokens.extend(ids);
                reason = Some(why);
            }
        }
    }
    assert_eq!(text, generation.text);
    assert_eq!(tokens, generation.tokens);
    assert!(block_on(generation.next(engine)).unwrap().is_none());
    let cached = generation.timings.cached_tokens;
    Run { tokens: generation.tokens, text, reason: reason.expect("an end"), cached, prefills }
}

fn max_tokens_ends_with_length(backend: Backend) {
    let mut engine = engine(backend, 256);
    for n in [0, 1, 5] {
        let run = run(&mut engine, &prompt(), greedy(n));
        assert_eq!((run.tokens.len(), run.reason), (n as usize, FinishReason::Length));
        assert_eq!(run.prefills, [16, 32, 40]);
    }
}

fn a_full_context_ends_with_length(backend: Backend) {
    let mut engine = engine(backend, 45);
    let options = GenerateOptions { max_tokens: None, ..greedy(0) };
    let whole = run(&mut engine, &prompt(), options.clone());
    // Cells for 5 more, and the logits after the last of them give one more token.
    assert_eq!((whole.tokens.len(), whole.reason), (6, FinishReason::Length));
    let mut full = prompt();
    full.extend(&whole.tokens[..5]);
    let last = run(&mut engine, &full, options);
    assert_eq!((last.tokens, last.reason), (whole.tokens[5..].to_vec(), FinishReason::Length));
}

fn prompts_that_do_not_fit_are_refused(backend: Backend) {
    let mut engine = engine(backend, 45);
    let code = |r: Result<Generation, sotto::base::error::Error>| r.err().map(|e| e.code);
    let long = Prompt::Raw("many words ".repeat(40));
    assert_eq!(code(Generation::new(&mut engine, &long, greedy(1))), Some(Code::PromptTooLong));
    let ids = prompt().repeat(2);
    assert_eq!(code(Generation::with_tokens(&mut engine, ids, greedy(1))), Some(Code::PromptTooLong));
    assert_eq!(code(Generation::new(&mut engine, &Prompt::Raw(String::new()), greedy(1))), Some(Code::BadOption));
    assert_eq!(code(Generation::with_tokens(&mut engine, Vec::new(), greedy(1))), Some(Code::BadOption));
    // Nothing is broken by it.
    assert_eq!(run(&mut engine, &prompt(), greedy(3)).tokens.len(), 3);
}

fn a_seed_says_everything(backend: Backend) {
    let mut engine = engine(backend, 256);
    let options = |seed| GenerateOptions {
        sampling: SamplingParams { temperature: 2.0, seed, ..Default::default() },
        ..greedy(24)
    };
    let first = run(&mut engine, &prompt(), options(7));
    assert_eq!(run(&mut engine, &prompt(), options(7)).tokens, first.tokens);
    assert_ne!(run(&mut engine, &prompt(), options(8)).tokens, first.tokens);
    // Nor does another load change it.
    assert_eq!(run(&mut self::engine(backend, 128), &prompt(), options(7)).tokens, first.tokens);
}

fn the_loop_takes_the_best_of_what_forward_gives(backend: Backend) {
    for name in ["llama-f32", "gemma3-softcap-f32", "qwen2-mixed"] {
        let prompt = golden::<TinyGolden>(&format!("tiny_{name}.json")).prompt;
        let mut engine = deep_engine(backend, name, 256, 4);
        let tokens = run(&mut engine, &prompt, greedy(20)).tokens;
        let sequence = engine.open(256).expect("a sequence");
        let mut logits = run::compute(&mut engine, &prompt, sequence, 0, 16, true);
        logits.drain(..(prompt.len() - 1) * vocab(&engine));
        for (&token, position) in tokens.iter().zip(prompt.len() as u32..) {
            assert_eq!(token, run::argmax(&logits), "{name}, position {position}");
            logits = run::compute(&mut engine, &[token], sequence, position, 1, false);
        }
    }
}

fn vocab(engine: &Engine) -> usize {
    engine.model.net.n_vocab as usize
}

/// Options of every kind of choice.
pub fn choices() -> [SamplingParams; 4] {
    let penalised =
        SamplingParams { repeat_penalty: 1.3, presence_penalty: 0.5, repeat_last_n: 9, ..Default::default() };
    [
        SamplingParams::default(),
        SamplingParams { seed: 3, ..SamplingParams::chat() },
        SamplingParams { temperature: 1.5, top_k: 30, seed: 4, ..penalised.clone() },
        penalised,
    ]
}

#[test]
fn going_ahead_changes_nothing() {
    let mut engines = [1, 2, 4].map(|depth| deep_engine(Backend::Webgpu, "llama-f32", 256, depth));
    for sampling in choices() {
        let options = GenerateOptions { sampling, fresh: false, ..greedy(12) };
        let [one, two, four] = &mut engines;
        let first = run(one, &prompt(), options.clone());
        for engine in [two, four] {
            let whole = run(engine, &prompt(), options.clone());
            assert_eq!((&whole.tokens, whole.reason), (&first.tokens, first.reason));
            // Ends in the middle: by a token, by a text, by the caller. What was computed beyond is forgotten.
            let at = 6;
            let stop_at = first.tokens.iter().position(|t| *t == first.tokens[at]).unwrap();
            let stops = GenerateOptions { stop_tokens: vec![first.tokens[at]], ..options.clone() };
            let stopped = run(engine, &prompt(), stops);
            assert_eq!((&stopped.tokens[..], stopped.reason), (&first.tokens[..=stop_at], FinishReason::Stop));
            let next = [prompt(), stopped.tokens, vec![11, 12, 13]].concat();
            follow_on(engine, one, &next, 40 + stop_at, &options);

            let text: String = first.text.chars().skip(4).take(2).collect();
            let stopped = run(engine, &prompt(), GenerateOptions { stop: vec![text], ..options.clone() });
            assert_eq!(stopped.reason, FinishReason::Stop);
            assert!(stopped.tokens.len() < 12 && first.tokens.starts_with(&stopped.tokens));
            let next = [prompt(), stopped.tokens.clone(), vec![14]].concat();
            follow_on(engine, one, &next, 40 + stopped.tokens.len() - 1, &options);

            let mut generation = Generation::with_tokens(engine, prompt(), options.clone()).unwrap();
            while generation.tokens.len() < 5 {
                block_on(generation.next(engine)).unwrap();
            }
            generation.cancel();
            let end = block_on(generation.next(engine)).unwrap();
            assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })), "{end:?}");
            assert_eq!(generation.tokens, first.tokens[..5]);
            let next = [prompt(), generation.tokens, vec![15, 16]].concat();
            follow_on(engine, one, &next, 44, &options);
        }
    }
}

/// Goes on after an end with a longer prompt: as much as there is of it is reused, and changes nothing.
#[track_caller]
fn follow_on(engine: &mut Engine, other: &mut Engine, prompt: &[u32], cached: usize, options: &GenerateOptions) {
    let reused = run(engine, prompt, options.clone());
    assert_eq!(reused.cached, cached);
    let fresh = run(other, prompt, GenerateOptions { fresh: true, ..options.clone() });
    assert_eq!(reused.tokens, fresh.tokens);
}

#[test]
fn decoding_makes_no_objects() {
    for depth in [1, 3] {
        let mut engine = deep_engine(Backend::Webgpu, "llama-f32", 256, depth);
        // A model's first reply makes the passes of all later tokens, behind its first.
        for (sampling, behind) in choices().into_iter().zip([2].into_iter().chain(std::iter::repeat(1))) {
            // Guesses make a pass a size ready.
            let options = GenerateOptions { sampling, speculate: Speculate::OFF, ..greedy(30) };
            let mut generation = Generation::with_tokens(&mut engine, prompt(), options).unwrap();
            while generation.tokens.len() < behind {
                block_on(generation.next(&mut engine)).unwrap();
            }
            let made = gpu(&engine).objects_made.get();
            while block_on(generation.next(&mut engine)).unwrap().is_some() {}
            assert_eq!(generation.tokens.len(), 30);
            assert_eq!(gpu(&engine).objects_made.get(), made);
        }
    }
}

fn a_greedy_choice_takes_two_dispatches(backend: Backend) {
    let engine = engine(backend, 64);
    let forward = engine.model.record(engine.decode_shape(0)).unwrap().dispatches.len();
    assert_eq!(engine.dispatches_per_token().unwrap(), forward + 2);
}

fn other_work_ends_generations(backend: Backend) {
    let mut engine = engine(backend, 256);
    let expected = run(&mut engine, &prompt(), greedy(8)).tokens;
    let mut early = Generation::with_tokens(&mut engine, prompt(), greedy(8)).unwrap();
    (0..5).for_each(|_| drop(block_on(early.next(&mut engine)).unwrap()));
    engine.open(1).expect("a sequence");
    let error = block_on(early.next(&mut engine)).expect_err("its cache is another's");
    assert_eq!(error.code, Code::Disposed);
    assert!(block_on(early.next(&mut engine)).unwrap().is_none());
    let kept = GenerateOptions { fresh: false, ..greedy(8) };
    assert_eq!(run(&mut engine, &prompt(), kept).tokens, expected);
}

fn logits_that_are_not_numbers_are_an_error(backend: Backend) {
    for sampling in choices() {
        let mut engine = engine(backend, 256);
        let mut generation =
            Generation::with_tokens(&mut engine, prompt(), GenerateOptions { sampling, ..greedy(8) }).unwrap();
        while generation.tokens.len() < 2 {
            block_on(generation.next(&mut engine)).unwrap();
        }
        // The key of the first cell: every later token looks at it.
        let cell = [f32::NAN; 4];
        let (keys, _) = engine.model.kv_buffers()[0];
        engine.device.write(keys, 0, bytemuck::cast_slice(&cell));
        let mut codes = Vec::new();
        loop {
            match block_on(generation.next(&mut engine)) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => codes.push((error.code, error.message)),
            }
        }
        assert_eq!(codes.len(), 1, "{codes:?}");
        assert_eq!(codes[0].0, Code::BadLogits);
        assert!(codes[0].1.contains("is not a number"));
        assert!(generation.tokens.len() < 8 && generation.tokens.iter().all(|&t| (t as usize) < vocab(&engine)));
    }
}

/// One number of a weight is none: the cache passes it on, whatever it holds numbers as.
fn a_weight_that_is_not_a_number_is_an_error(backend: Backend) {
    let sound = tiny::build("llama-f32").unwrap();
    let (header, _) = HeaderParser::new().push(&sound).unwrap().expect("a header");
    for name in ["blk.1.attn_v.weight", "blk.1.attn_k.weight"] {
        for (number, kv) in [(f32::NAN, KvType::F16), (f32::INFINITY, KvType::F16), (f32::NAN, KvType::F32)] {
            let mut file = sound.clone();
            let at = header.catalog.tensor(name).expect(name).offset as usize + 40;
            file[at..at + 4].copy_from_slice(&number.to_le_bytes());
            let mut engine = load(&file, LoadOptions { backend, kv, ..Default::default() }).expect("a model");
            let mut generation = Generation::with_tokens(&mut engine, prompt(), greedy(4)).unwrap();
            let error = loop {
                match block_on(generation.next(&mut engine)) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{name} with {number} in {kv:?} gave {:?}", generation.tokens),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.code, Code::BadLogits, "{name} with {number} in {kv:?}");
        }
    }
}

fn banning_everything_is_an_error(backend: Backend) {
    let mut engine = engine(backend, 64);
    for temperature in [0.0, 1.0] {
        let logit_bias = (0..vocab(&engine) as u32).map(|id| (id, f32::NEG_INFINITY)).collect();
        let sampling = SamplingParams { logit_bias, temperature, ..Default::default() };
        let options = GenerateOptions { sampling, ..greedy(3) };
        let mut generation = Generation::with_tokens(&mut engine, prompt(), options).unwrap();
        let error = loop {
            match block_on(generation.next(&mut engine)) {
                Ok(step) => assert!(matches!(step, Some(Step::Prefill { .. })), "{step:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code, Code::BadOption, "{error}");
        assert!(block_on(generation.next(&mut engine)).unwrap().is_none());
    }
}

fn stop_strings_and_tokens_end_with_stop(backend: Backend) {
    let mut engine = engine(backend, 256);
    let plain = run(&mut engine, &prompt(), greedy(16));
    assert_eq!(plain.reason, FinishReason::Length);
    let middle: String = plain.text.chars().skip(plain.text.chars().count() / 2).take(3).collect();
    let before = plain.text.find(&middle).unwrap();
    let options = GenerateOptions { stop: vec!["never said".into(), middle], ..greedy(16) };
    let stopped = run(&mut engine, &prompt(), options);
    assert_eq!((stopped.text.as_str(), stopped.reason), (&plain.text[..before], FinishReason::Stop));

    let at = plain.tokens.iter().position(|&t| t == plain.tokens[5]).unwrap();
    let options = GenerateOptions { stop_tokens: vec![plain.tokens[5]], ..greedy(16) };
    let stopped = run(&mut engine, &prompt(), options);
    assert_eq!((stopped.tokens.as_slice(), stopped.reason), (&plain.tokens[..=at], FinishReason::Stop));
    assert!(plain.text.starts_with(&stopped.text));
}

fn an_end_of_text_token_ends_with_stop(backend: Backend) {
    let mut engine = engine(backend, 256);
    let eog = engine.tokenizer.eog_ids()[0];
    let sampling = SamplingParams { logit_bias: vec![(eog, 100.0)], ..Default::default() };
    let options = GenerateOptions { sampling, ignore_eos: false, ..greedy(16) };
    let ended = run(&mut engine, &prompt(), options);
    assert_eq!((ended.tokens, ended.text, ended.reason), (vec![eog], String::new(), FinishReason::Stop));
}

fn a_shared_prefix_is_reused_and_changes_nothing(backend: Backend) {
    let mut engine = engine(backend, 256);
    let kept = GenerateOptions { fresh: false, ..greedy(12) };
    let first = run(&mut engine, &prompt(), kept.clone());
    assert_eq!(first.cached, 0);
    // The same prompt again: only its last token is computed.
    let again = run(&mut engine, &prompt(), kept.clone());
    assert_eq!((again.cached, again.prefills.as_slice()), (39, &[40][..]));
    assert_eq!((again.tokens.as_slice(), &again.text), (first.tokens.as_slice(), &first.text));
    // A conversation: prompt, reply, and a little more. The reply's last token was never fed back.
    let mut longer = [prompt(), first.tokens, vec![9, 63]].concat();
    let next = run(&mut engine, &longer, kept.clone());
    assert_eq!(next.cached, 40 + 11);
    assert_eq!(next.tokens, run(&mut engine, &longer, greedy(12)).tokens);
    // A prompt that parts ways early.
    longer[20] ^= 1;
    let parted = run(&mut engine, &longer, kept);
    assert_eq!(parted.cached, 20);
    assert_eq!(parted.tokens, run(&mut engine, &longer, greedy(12)).tokens);
}

fn a_cancelled_generation_ends_with_abort_and_leaves_a_sound_cache(backend: Backend) {
    let mut engine = engine(backend, 256);
    let expected = run(&mut engine, &prompt(), greedy(8)).tokens;
    for steps in 0..7 {
        engine.model.kv_mut().clear();
        let options = GenerateOptions { fresh: false, ..greedy(8) };
        let mut generation = Generation::with_tokens(&mut engine, prompt(), options.clone()).unwrap();
        for _ in 0..steps {
            block_on(generation.next(&mut engine)).unwrap();
        }
        generation.cancel();
        let end = block_on(generation.next(&mut engine)).unwrap();
        assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })), "{end:?}");
        assert!(block_on(generation.next(&mut engine)).unwrap().is_none());
        let resumed = run(&mut engine, &prompt(), options);
        assert_eq!((resumed.cached, resumed.tokens), ([0, 16, 32, 39, 39, 39, 39][steps], expected.clone()));
    }
}

fn options_out_of_range_are_refused(backend: Backend) {
    let mut engine = engine(backend, 64);
    let n_vocab = engine.model.net.n_vocab;
    let bad = [
        GenerateOptions { stop_tokens: vec![n_vocab], ..greedy(1) },
        GenerateOptions { sampling: SamplingParams { temperature: f32::NAN, ..Default::default() }, ..greedy(1) },
        GenerateOptions {
            sampling: SamplingParams { logit_bias: vec![(n_vocab, 1.0)], ..Default::default() },
            ..greedy(1)
        },
    ];
    for options in bad {
        let error = Generation::with_tokens(&mut engine, prompt(), options.clone()).err().expect("a refusal");
        assert_eq!(error.code, Code::BadOption, "{options:?}");
    }
}

on_both_backends!(
    max_tokens_ends_with_length,
    a_full_context_ends_with_length,
    prompts_that_do_not_fit_are_refused,
    a_seed_says_everything,
    the_loop_takes_the_best_of_what_forward_gives,
    a_greedy_choice_takes_two_dispatches,
    other_work_ends_generations,
    logits_that_are_not_numbers_are_an_error,
    a_weight_that_is_not_a_number_is_an_error,
    banning_everything_is_an_error,
    stop_strings_and_tokens_end_with_stop,
    an_end_of_text_token_ends_with_stop,
    a_shared_prefix_is_reused_and_changes_nothing,
    a_cancelled_generation_ends_with_abort_and_leaves_a_sound_cache,
    options_out_of_range_are_refused
);

#[test]
fn load_options_out_of_range_are_refused() {
    let file = tiny::build("llama-f32").unwrap();
    for options in [
        LoadOptions { context: Some(0), ..Default::default() },
        LoadOptions { context: Some(tiny::CONTEXT_LENGTH + 1), ..Default::default() },
        LoadOptions { context: Some(64), cache_tokens: Some(63), ..Default::default() },
        LoadOptions { max_rows: Some(0), ..Default::default() },
        LoadOptions { max_rows: Some(5000), ..Default::default() },
    ] {
        assert_eq!(load(&file, options.clone()).err().map(|e| e.code), Some(Code::BadOption), "{options:?}");
    }
}
