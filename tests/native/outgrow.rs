//! Replies that outgrow their context and go on: each is what the same text gives that was cut by hand.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::chat::{all_of, answer, user};
use crate::common::run::{load, on_both_backends};
use crate::draft::guessed_by;
use crate::generation::{choices, greedy};
use crate::speculate::{compare, few, most, off, whole, write};
use crate::states::text;
use pollster::block_on;
use serde_json::{Value, json};
use sotto::base::cancel::Cancel;
use sotto::base::error::Result;
use sotto::base::precision::KvType;
use sotto::device::{Backend, CpuOptions, Pause};
use sotto::run::constraint::{Commit, Constraint, Next};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use tiny_models as tiny;

const CONTEXT: usize = 96;
/// Of the context, as much as goes at a time.
const QUARTER: usize = CONTEXT / 4;
/// Tokens that stay at least.
const SINKS: usize = 4;

fn options(backend: Backend, kv: KvType) -> LoadOptions {
    let (context, cache_tokens) = (Some(CONTEXT as u32), Some(320));
    LoadOptions { backend, kv, context, cache_tokens, max_rows: Some(16), ..Default::default() }
}

fn engine(backend: Backend) -> Engine {
    load(&tiny::build("llama-f32").expect("a tiny model"), options(backend, KvType::F32)).expect("a model")
}

fn shifting(most: u32) -> GenerateOptions {
    GenerateOptions { shifts: true, ..greedy(most) }
}

/// What is left of a text that filled the context.
fn cut(text: &[u32], keeps: usize) -> Vec<u32> {
    [&text[..keeps], &text[keeps + QUARTER..]].concat()
}

/// The same reply without a shift in its midst: where the context is full, another request goes on with what is left of the text.
fn by_hand(engine: &mut Engine, prompt: &[u32], keeps: usize, tokens: usize) -> Generation {
    let to_the_end = |text: &[u32]| GenerateOptions {
        fresh: false,
        cut: true,
        logprobs: Some(2),
        ..shifting((CONTEXT + 1 - text.len()) as u32)
    };
    let mut all = whole(engine, prompt, GenerateOptions { fresh: true, ..to_the_end(prompt) });
    let mut text = [prompt, &all.tokens].concat();
    while all.tokens.len() < tokens {
        assert_eq!(text.len(), CONTEXT + 1);
        text = cut(&text, keeps);
        let next = whole(engine, &text, to_the_end(&text));
        // It was moved, not read again.
        assert_eq!(next.timings.cached_tokens, text.len() - 1);
        text.extend(&next.tokens);
        all.tokens.extend(next.tokens);
        all.logprobs.extend(next.logprobs);
    }
    all
}

fn a_reply_goes_on_as_its_text_cut_by_hand(backend: Backend) {
    for (name, kv, prompt, keeps) in [
        ("llama-f32", KvType::F32, text(3, 30), 0),
        ("llama-f32", KvType::F32, text(5, 61), 40),
        ("gemma3-f32", KvType::F32, text(3, 10), 9),
        ("qwen2-mixed", KvType::F16, text(9, 96), 7),
        ("gemma3-f32", KvType::Q8, text(7, 20), 0),
    ] {
        let load = || load(&tiny::build(name).expect("a tiny model"), options(backend, kv)).expect("a model");
        let right = by_hand(&mut load(), &prompt, keeps.max(SINKS), 160);
        let asked = GenerateOptions { keeps, logprobs: Some(2), ..shifting(150) };
        let mut engine = load();
        let reply = whole(&mut engine, &prompt, asked.clone());
        assert_eq!(reply.tokens, right.tokens[..150], "{name} {kv:?}");
        for (one, other) in reply.logprobs.iter().zip(&right.logprobs) {
            // Keys that move are turned and rounded again: to the bit where nothing is rounded, to the type's own step elsewhere.
            let most = match kv {
                KvType::F32 if backend == Backend::Cpu => 0.0,
                KvType::F32 | KvType::F16 => 2e-3,
                _ => 2e-2,
            };
            assert!((one.logprob - other.logprob).abs() <= most, "{name} {kv:?}: {one:?}, by hand {other:?}");
        }
        let gone = (prompt.len() + 150 - CONTEXT - 1).div_ceil(QUARTER) * QUARTER;
        assert_eq!(reply.timings.shifted_tokens, gone, "{name}");
        // The resident loop runs ahead where nobody looks at probabilities.
        let ahead = whole(&mut engine, &prompt, GenerateOptions { logprobs: None, ..asked });
        assert_eq!((&ahead.tokens, ahead.timings.shifted_tokens), (&reply.tokens, gone), "{name} {kv:?}");
    }
}

fn what_ends_a_reply_ends_it_behind_a_shift(backend: Backend) {
    let (mut engine, prompt) = (engine(backend), text(3, 30));
    for sampling in choices() {
        let options = GenerateOptions { sampling, ..shifting(200) };
        let first = whole(&mut engine, &prompt, options.clone());
        assert_eq!(first.tokens.len(), 200);
        // Until the context is full it is what any reply is.
        let plain = whole(&mut engine, &prompt, GenerateOptions { max_tokens: None, shifts: false, ..options.clone() });
        assert_eq!(plain.tokens, first.tokens[..CONTEXT + 1 - prompt.len()]);
        let start = first.ends[150];
        let text: String = first.text[start..].chars().take(5).collect();
        let stopped = whole(&mut engine, &prompt, GenerateOptions { stop: vec![text.clone()], ..options.clone() });
        let found = first.text.find(&text).expect("it is there");
        assert!(stopped.stopped && stopped.text == first.text[..found], "{text:?}");
        // What was sampled elsewhere is taken again: the text that is left is the same, though it is read, not moved.
        let past = GenerateOptions { past: first.tokens[..150].to_vec(), ..options };
        let again = whole(&mut engine, &prompt, past);
        assert_eq!((again.tokens.len(), &again.tokens[..150]), (200, &first.tokens[..150]));
        assert_eq!(again.timings.shifted_tokens, first.timings.shifted_tokens);
    }
}

fn others_beside_it_are_left_as_they_are(backend: Backend) {
    let mut shared = engine(backend);
    for sampling in choices() {
        let asked = |most| GenerateOptions { sampling: sampling.clone(), logprobs: Some(1), ..shifting(most) };
        // Two of them shift, at other times.
        let all =
            [(text(3, 30), asked(150)), (text(5, 50), asked(40)), (text(7, 20), asked(120)), (text(3, 9), asked(60))];
        let replies = side_by_side(&mut shared, &all);
        for (reply, (prompt, options)) in replies.iter().zip(all) {
            compare(backend, reply, &whole(&mut engine(backend), &prompt, options));
        }
        assert!(replies[0].timings.shifted_tokens > 0 && replies[1].timings.shifted_tokens == 0);
    }
}

pub fn side_by_side(engine: &mut Engine, all: &[(Vec<u32>, GenerateOptions)]) -> Vec<Generation> {
    let begin = |(prompt, options): &(Vec<u32>, GenerateOptions)| {
        Generation::with_tokens(engine, prompt.clone(), options.clone()).expect("a generation")
    };
    let mut replies: Vec<Generation> = all.iter().map(begin).collect();
    let mut left = replies.len();
    while left > 0 {
        left = 0;
        for reply in &mut replies {
            left += usize::from(block_on(reply.next(engine)).expect("a step").is_some());
        }
    }
    replies
}

/// Where there is too little room for all, who was shifted keeps what he has, whoever came first: it could not be read again.
fn who_was_shifted_keeps_his_cells(backend: Backend) {
    let cells = LoadOptions { cache_tokens: Some(160), ..options(backend, KvType::F32) };
    let mut engine = load(&tiny::build("llama-f32").expect("a tiny model"), cells).expect("a model");
    let first = (text(9, 4), greedy(90));
    let all = [first, (text(3, 80), shifting(120)), (text(5, 4), greedy(70))];
    for [priority, later] in [[0, 0], [-1, 0], [0, -1]] {
        let ranked = |(i, (prompt, options)): (usize, &(Vec<u32>, GenerateOptions))| {
            (prompt.clone(), GenerateOptions { priority: [priority, 0, later][i], ..options.clone() })
        };
        let all: Vec<_> = all.iter().enumerate().map(ranked).collect();
        let before = engine.counts.rows;
        let replies = side_by_side(&mut engine, &all);
        let once: usize = replies.iter().zip(&all).map(|(reply, (prompt, _))| prompt.len() + reply.tokens.len()).sum();
        assert!(engine.counts.rows - before > once as u64, "nothing had to be read again");
        for (reply, (prompt, options)) in replies.iter().zip(all) {
            assert_eq!(reply.tokens, whole(&mut self::engine(backend), &prompt, options).tokens);
        }
    }
}

/// Where both have one beginning and there is no room to move one's copy of it, that one waits and is read again.
fn who_cannot_move_waits(backend: Backend) {
    let cells = LoadOptions { cache_tokens: Some(128), ..options(backend, KvType::F32) };
    let mut engine = load(&tiny::build("llama-f32").expect("a tiny model"), cells).expect("a model");
    let asked = GenerateOptions { fresh: false, ..shifting(100) };
    let first = whole(&mut engine, &text(3, 64), asked.clone());
    let replies = side_by_side(&mut engine, &[(text(3, 64), asked.clone()), (text(3, 64), asked)]);
    for reply in replies {
        assert_eq!((reply.tokens.len(), reply.timings.shifted_tokens), (100, first.timings.shifted_tokens));
        let plain = CONTEXT + 1 - 64;
        assert_eq!(reply.tokens[..plain], first.tokens[..plain]);
    }
}

/// Some tokens alone may come, then anything, then a run of tokens comes in any case.
struct Rules {
    seen: usize,
    words: usize,
}

const FORCED: std::ops::Range<u32> = 40..50;
const ALLOWED: std::ops::Range<u32> = 60..90;

impl Rules {
    fn now(&self) -> Commit {
        match self.seen % 32 {
            10 => Commit { forced: FORCED.collect(), next: Next::Free },
            0..10 => Commit { forced: Vec::new(), next: Next::Masked },
            _ => Commit { forced: Vec::new(), next: Next::Free },
        }
    }
}

impl Constraint for Rules {
    fn start(&mut self) -> Result<Commit> {
        Ok(self.now())
    }

    fn commit(&mut self, _: u32) -> Result<Commit> {
        self.seen += 1;
        Ok(self.now())
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        let mut words = vec![0; self.words];
        ALLOWED.for_each(|id| words[id as usize / 32] |= 1 << (id % 32));
        Ok(words)
    }
}

fn constraints_go_on(backend: Backend) {
    let mut engine = engine(backend);
    let words = (engine.model.net.n_vocab as usize).div_ceil(32);
    // The context is full before, in the midst of and behind a run.
    for len in [40, 47, 52, 60] {
        let rules = Box::new(Rules { seen: 0, words });
        let mut reply =
            Generation::constrained(&mut engine, text(3, len), shifting(150), Some(rules)).expect("a reply");
        while block_on(reply.next(&mut engine)).expect("a step").is_some() {}
        assert_eq!(reply.tokens.len(), 150);
        for (place, token) in reply.tokens.iter().enumerate() {
            match place % 32 {
                at @ 10..20 => assert_eq!(*token, FORCED.start + at as u32 - 10),
                0..10 => assert!(ALLOWED.contains(token)),
                _ => {}
            }
        }
        assert!(reply.timings.shifted_tokens >= QUARTER);
    }
}

fn guesses_change_no_reply(backend: Backend) {
    for mut engine in [engine(backend), guessed_by(backend, "llama-f32", CONTEXT as u32)] {
        let mut accepted = 0;
        for seed in 0..4 {
            let sampling = few(SamplingParams { temperature: seed as f32 / 2.0, seed, ..Default::default() });
            let options = GenerateOptions { sampling, ..shifting(150) };
            let prompt = text(3 + seed as u32, 20);
            let plain = whole(&mut engine, &prompt, off(options.clone()));
            let guessed = whole(&mut engine, &prompt, most(3, options));
            compare(backend, &guessed, &plain);
            accepted += guessed.timings.accepted_tokens;
            assert_eq!(guessed.timings.shifted_tokens, plain.timings.shifted_tokens);
        }
        assert!(accepted > 4, "{accepted}");
    }
}

/// The tokens of the sequence that was used last.
fn kept(engine: &Engine) -> Vec<u32> {
    engine.model.kv().sequences().iter().max_by_key(|one| one.used).expect("a sequence").tokens.clone()
}

fn who_cancels_before_or_behind_a_shift_loses_nothing(backend: Backend) {
    let (mut engine, prompt) = (engine(backend), text(3, 30));
    let asked = || GenerateOptions { fresh: false, cut: true, ..shifting(150) };
    let first = whole(&mut engine, &prompt, asked());
    let full = CONTEXT + 1 - prompt.len();
    for tokens in [full, full + 1, full + 2] {
        let mut reply = Generation::with_tokens(&mut engine, prompt.clone(), shifting(150)).expect("a reply");
        write(&mut engine, &mut reply, tokens);
        reply.cancel();
        let end = block_on(reply.next(&mut engine)).expect("an end");
        assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })), "{end:?}");
        assert_eq!(reply.tokens, first.tokens[..tokens]);
        let whole_text = [&prompt[..], &reply.tokens].concat();
        let text = if tokens == full { whole_text[..CONTEXT].to_vec() } else { cut(&whole_text, SINKS) };
        assert!(text.starts_with(&kept(&engine)) && kept(&engine).len() + 1 >= text.len(), "{tokens}");
        // What is there serves the next: it goes on as the reply would have.
        let next = whole(&mut engine, &text, GenerateOptions { max_tokens: Some(5), ..asked() });
        assert_eq!(next.timings.cached_tokens, text.len() - 1);
        let from = tokens - usize::from(tokens == full);
        assert_eq!(next.tokens, first.tokens[from..from + 5], "{tokens}");
    }
}

fn a_chat_keeps_its_system_prompt(backend: Backend) {
    let mut engine = engine(backend);
    let system = "the dog and the cat and the dog and the cat";
    let messages = [json!({ "role": "system", "content": system }), user("the cat")];
    let asked = |more: Value| {
        let mut request = json!({
            "messages": messages, "overflow": "shift", "max_completion_tokens": 200, "temperature": 0, "logit_bias": { "2": -100 },
        });
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        request
    };
    let told = answer(&mut engine, &asked(json!({})));
    let usage = &told["usage"];
    assert_eq!((&usage["completion_tokens"], &told["choices"][0]["finish_reason"]), (&json!(200), &json!("length")));
    let (prompt, gone) = (usage["prompt_tokens"].as_u64().expect("a number"), usage["shifted_tokens"].as_u64());
    assert_eq!(gone, Some((prompt + 200 - CONTEXT as u64 - 1).div_ceil(QUARTER as u64) * QUARTER as u64));
    let kept = engine.tokenizer.decode(&kept(&engine), true);
    assert!(kept.contains(system) && !kept.contains(&format!("{system}the cat")), "{kept}");
    // Streamed, each shift is told when it happens.
    let chunks = all_of(&mut engine, &asked(json!({ "stream": true, "stream_options": { "include_usage": true } })));
    let shifts: Vec<u64> = chunks.iter().filter_map(|chunk| chunk["shifted"].as_u64()).collect();
    assert!(shifts.len() > 2 && shifts.iter().all(|count| count.is_multiple_of(QUARTER as u64)), "{shifts:?}");
    assert_eq!(Some(shifts.iter().sum()), gone);
    assert_eq!(chunks.last().expect("a chunk")["usage"]["shifted_tokens"].as_u64(), gone);
}

on_both_backends!(
    a_reply_goes_on_as_its_text_cut_by_hand,
    what_ends_a_reply_ends_it_behind_a_shift,
    others_beside_it_are_left_as_they_are,
    who_was_shifted_keeps_his_cells,
    who_cannot_move_waits,
    constraints_go_on,
    guesses_change_no_reply,
    who_cancels_before_or_behind_a_shift_loses_nothing,
    a_chat_keeps_its_system_prompt,
);

#[test]
fn a_shift_that_is_cancelled_in_its_midst_is_whole() {
    let handle = Rc::new(RefCell::new(None::<Cancel>));
    let cancelled = handle.clone();
    let pause = Pause(Rc::new(move || {
        cancelled.borrow().iter().for_each(Cancel::cancel);
        Box::pin(async {})
    }));
    let cpu = CpuOptions { pause: Some(pause), ..Default::default() };
    let file = tiny::build("llama-f32").expect("a tiny model");
    let mut engine = load(&file, LoadOptions { cpu, ..options(Backend::Cpu, KvType::F32) }).expect("a model");
    let prompt = text(3, 30);
    let first = whole(&mut engine, &prompt, shifting(100));
    let mut reply = Generation::with_tokens(&mut engine, prompt.clone(), shifting(100)).expect("a reply");
    let full = CONTEXT + 1 - prompt.len();
    write(&mut engine, &mut reply, full);
    *handle.borrow_mut() = Some(reply.cancel_handle().clone());
    // The next dispatch has a pause before it: it is the shift's first.
    std::thread::sleep(Duration::from_millis(40));
    let end = block_on(reply.next(&mut engine)).expect("an end");
    assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })), "{end:?}");
    *handle.borrow_mut() = None;
    assert_eq!(reply.tokens, first.tokens[..full]);
    let left = cut(&[&prompt[..], &reply.tokens].concat(), SINKS);
    assert_eq!(kept(&engine), left[..left.len() - 1]);
    let next = whole(&mut engine, &left, GenerateOptions { fresh: false, cut: true, ..shifting(20) });
    assert_eq!((&next.tokens[..], next.timings.cached_tokens), (&first.tokens[full..full + 20], left.len() - 1));
}
