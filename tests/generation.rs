//! Generations on tiny models: what ends them, what repeats them, what they reuse.

#[path = "common/run.rs"]
mod run;
#[path = "common/tiny.rs"]
mod tiny;

use pollster::block_on;
use run::{TinyGolden, golden, load};
use sotto::engine::{Engine, Prompt};
use sotto::error::Code;
use sotto::kv_cache::KvType;
use sotto::loader::LoadOptions;
use sotto::sampler::SamplingParams;
use sotto::session::{FinishReason, GenerateOptions, Generation, Step};

fn engine(context: u32) -> Engine {
    let options = LoadOptions { context: Some(context), max_rows: Some(16), kv: KvType::F32, ..Default::default() };
    load(&tiny::build("llama-f32").unwrap(), options).expect("a model")
}

fn prompt() -> Vec<u32> {
    golden::<TinyGolden>("tiny_llama-f32.json").prompt
}

/// Greedy, past end-of-text tokens.
fn greedy(max_tokens: u32) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), ignore_eos: true, fresh: true, ..Default::default() }
}

struct Run {
    tokens: Vec<u32>,
    text: String,
    reason: FinishReason,
    cached: usize,
    prefills: Vec<usize>,
}

/// Runs to the end; checks that the streamed pieces make up the whole.
fn run(engine: &mut Engine, prompt: &[u32], options: GenerateOptions) -> Run {
    let mut generation = Generation::with_tokens(engine, prompt.to_vec(), options).expect("a generation");
    let (mut text, mut tokens, mut prefills, mut reason) = (String::new(), Vec::new(), Vec::new(), None);
    while let Some(step) = block_on(generation.next(engine)).expect("a step") {
        assert_eq!(reason, None, "a step after the end");
        match step {
            Step::Prefill { done, total } => {
                assert_eq!(total, prompt.len());
                prefills.push(done);
            }
            Step::Token { text: piece, tokens: ids } => {
                text.push_str(&piece);
                tokens.extend(ids);
            }
            Step::End { reason: why, text: piece } => {
                text.push_str(&piece);
                reason = Some(why);
            }
        }
    }
    assert_eq!(text, generation.text);
    assert!(generation.tokens.starts_with(&tokens));
    assert!(block_on(generation.next(engine)).unwrap().is_none());
    let cached = generation.timings.cached_tokens;
    Run { tokens: generation.tokens, text, reason: reason.expect("an end"), cached, prefills }
}

#[test]
fn max_tokens_ends_with_length() {
    let mut engine = engine(256);
    for n in [0, 1, 5] {
        let run = run(&mut engine, &prompt(), greedy(n));
        assert_eq!((run.tokens.len(), run.reason), (n as usize, FinishReason::Length));
        assert_eq!(run.prefills, [16, 32, 40]);
    }
}

#[test]
fn a_full_context_ends_with_length() {
    let mut engine = engine(45);
    let options = GenerateOptions { max_tokens: None, ..greedy(0) };
    let whole = run(&mut engine, &prompt(), options.clone());
    // Cells for 5 more, and the logits after the last of them give one more token.
    assert_eq!((whole.tokens.len(), whole.reason), (6, FinishReason::Length));
    let mut full = prompt();
    full.extend(&whole.tokens[..5]);
    let last = run(&mut engine, &full, options);
    assert_eq!((last.tokens, last.reason), (whole.tokens[5..].to_vec(), FinishReason::Length));
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let mut engine = engine(45);
    let code = |r: Result<Generation, sotto::error::Error>| r.err().map(|e| e.code);
    let long = Prompt::Raw("many words ".repeat(40));
    assert_eq!(code(Generation::new(&mut engine, &long, greedy(1))), Some(Code::PromptTooLong));
    let ids = prompt().repeat(2);
    assert_eq!(code(Generation::with_tokens(&mut engine, ids, greedy(1))), Some(Code::PromptTooLong));
    assert_eq!(code(Generation::new(&mut engine, &Prompt::Raw(String::new()), greedy(1))), Some(Code::BadOption));
    assert_eq!(code(Generation::with_tokens(&mut engine, Vec::new(), greedy(1))), Some(Code::BadOption));
    // Nothing is broken by it.
    assert_eq!(run(&mut engine, &prompt(), greedy(3)).tokens.len(), 3);
}

#[test]
fn a_seed_says_everything() {
    let mut engine = engine(256);
    let options = |seed| GenerateOptions {
        sampling: SamplingParams { temperature: 2.0, seed, ..Default::default() },
        ..greedy(24)
    };
    let first = run(&mut engine, &prompt(), options(7));
    assert_eq!(run(&mut engine, &prompt(), options(7)).tokens, first.tokens);
    assert_ne!(run(&mut engine, &prompt(), options(8)).tokens, first.tokens);
    // Nor does another load change it.
    assert_eq!(run(&mut self::engine(128), &prompt(), options(7)).tokens, first.tokens);
}

#[test]
fn stop_strings_and_tokens_end_with_stop() {
    let mut engine = engine(256);
    let plain = run(&mut engine, &prompt(), greedy(16));
    assert_eq!(plain.reason, FinishReason::Length);
    let middle: String = plain.text.chars().skip(plain.text.chars().count() / 2).take(3).collect();
    let before = plain.text.find(&middle).unwrap();
    let options = GenerateOptions { stop: vec!["never said".into(), middle.clone()], ..greedy(16) };
    let stopped = run(&mut engine, &prompt(), options);
    assert_eq!((stopped.text.as_str(), stopped.reason), (&plain.text[..before], FinishReason::Stop));

    let at = plain.tokens.iter().position(|&t| t == plain.tokens[5]).unwrap();
    let options = GenerateOptions { stop_tokens: vec![plain.tokens[5]], ..greedy(16) };
    let stopped = run(&mut engine, &prompt(), options);
    assert_eq!((stopped.tokens.as_slice(), stopped.reason), (&plain.tokens[..=at], FinishReason::Stop));
    assert!(plain.text.starts_with(&stopped.text));
}

#[test]
fn an_end_of_text_token_ends_with_stop() {
    let mut engine = engine(256);
    let eog = engine.tokenizer.eog_ids()[0];
    let sampling = SamplingParams { logit_bias: vec![(eog, 100.0)], ..Default::default() };
    let options = GenerateOptions { sampling, ignore_eos: false, ..greedy(16) };
    let ended = run(&mut engine, &prompt(), options);
    assert_eq!((ended.tokens, ended.text, ended.reason), (vec![eog], String::new(), FinishReason::Stop));
}

#[test]
fn a_shared_prefix_is_reused_and_changes_nothing() {
    let mut engine = engine(256);
    let kept = GenerateOptions { fresh: false, ..greedy(12) };
    let first = run(&mut engine, &prompt(), kept.clone());
    assert_eq!(first.cached, 0);
    // The same prompt again: only its last token is computed.
    let again = run(&mut engine, &prompt(), kept.clone());
    assert_eq!((again.cached, again.prefills.as_slice()), (39, &[40][..]));
    assert_eq!((again.tokens.as_slice(), &again.text), (first.tokens.as_slice(), &first.text));
    // A conversation: prompt, reply, and a little more. The reply's last token was never fed back.
    let mut longer = [prompt(), first.tokens.clone(), vec![9, 63]].concat();
    let next = run(&mut engine, &longer, kept.clone());
    assert_eq!(next.cached, 40 + 11);
    assert_eq!(next.tokens, run(&mut engine, &longer, greedy(12)).tokens);
    // A prompt that parts ways early.
    longer[20] ^= 1;
    let parted = run(&mut engine, &longer, kept);
    assert_eq!(parted.cached, 20);
    assert_eq!(parted.tokens, run(&mut engine, &longer, greedy(12)).tokens);
}

#[test]
fn a_cancelled_generation_ends_with_abort_and_leaves_a_sound_cache() {
    let mut engine = engine(256);
    let expected = run(&mut engine, &prompt(), greedy(8)).tokens;
    for steps in 0..7 {
        engine_forgets(&mut engine);
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

/// Starts and drops a generation that reuses nothing.
fn engine_forgets(engine: &mut Engine) {
    Generation::with_tokens(engine, vec![1], greedy(1)).unwrap();
}

#[test]
fn options_out_of_range_are_refused() {
    let mut engine = engine(64);
    let n_vocab = engine.model.config.n_vocab;
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

#[test]
fn load_options_out_of_range_are_refused() {
    let file = tiny::build("llama-f32").unwrap();
    for options in [
        LoadOptions { context: Some(0), ..Default::default() },
        LoadOptions { context: Some(tiny::CONTEXT_LENGTH + 1), ..Default::default() },
        LoadOptions { max_rows: Some(0), ..Default::default() },
        LoadOptions { max_rows: Some(5000), ..Default::default() },
    ] {
        assert_eq!(load(&file, options.clone()).err().map(|e| e.code), Some(Code::BadOption), "{options:?}");
    }
}
