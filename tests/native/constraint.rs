//! Generations under a constraint of our own, on each backend: masks, forced tokens, and what is free between them.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::run::{argmax, compute, on_both_backends};
use crate::generation::{choices, deep_engine, engine, greedy, prompt, run};
use pollster::block_on;
use sotto::base::error::{Code, Error, Result};
use sotto::device::Backend;
use sotto::run::constraint::{Commit, Constraint, Next};
use sotto::run::engine::Engine;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};

/// What may come after so many tokens.
#[derive(Clone, Debug)]
enum Rule {
    Free,
    /// These.
    Of(Vec<u32>),
    All,
    Force(Vec<u32>),
    End,
    Fail,
}

type Seen = Rc<RefCell<Vec<u32>>>;

struct Fake<F> {
    plan: F,
    seen: Seen,
    words: usize,
}

impl<F: Fn(usize) -> Rule> Fake<F> {
    fn now(&self) -> Result<Commit> {
        let next = match (self.plan)(self.seen.borrow().len()) {
            Rule::Force(forced) => return Ok(Commit { forced, next: Next::Free }),
            Rule::Fail => return Err(Error::new(Code::Internal, "The constraint failed.")),
            Rule::Free => Next::Free,
            Rule::Of(_) | Rule::All => Next::Masked,
            Rule::End => Next::End,
        };
        Ok(Commit { forced: Vec::new(), next })
    }
}

impl<F: Fn(usize) -> Rule> Constraint for Fake<F> {
    fn start(&mut self) -> Result<Commit> {
        self.now()
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        self.seen.borrow_mut().push(token);
        self.now()
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        let mut words = vec![0; self.words];
        match (self.plan)(self.seen.borrow().len()) {
            Rule::All => words.fill(u32::MAX),
            Rule::Of(ids) => ids.iter().for_each(|id| words[*id as usize / 32] |= 1 << (id % 32)),
            rule => panic!("a mask was asked for where there is {rule:?}"),
        }
        Ok(words)
    }
}

fn n_vocab(engine: &Engine) -> usize {
    engine.model.net.n_vocab as usize
}

fn begin(
    engine: &mut Engine,
    prompt: Vec<u32>,
    options: GenerateOptions,
    plan: impl Fn(usize) -> Rule + 'static,
) -> (Generation, Seen) {
    let (seen, words) = (Seen::default(), n_vocab(engine).div_ceil(32));
    let fake = Fake { plan, seen: seen.clone(), words };
    let generation = Generation::constrained(engine, prompt, options, Some(Box::new(fake))).expect("a generation");
    (generation, seen)
}

/// Runs to the end; checks that the pieces make up the whole, and that the constraint saw all but a token that ended it.
fn under(
    engine: &mut Engine,
    options: GenerateOptions,
    plan: impl Fn(usize) -> Rule + 'static,
) -> (Generation, FinishReason) {
    let (mut generation, seen) = begin(engine, prompt(), options, plan);
    let (mut text, mut tokens, mut reason) = (String::new(), Vec::new(), None);
    while let Some(step) = block_on(generation.next(engine)).expect("a step") {
        let (piece, ids) = match step {
            Step::Prefill { .. } | Step::Waiting => continue,
            Step::Token { text, tokens } => (text, tokens),
            Step::End { text, tokens, reason: why } => {
                reason = Some(why);
                (text, tokens)
            }
        };
        text.push_str(&piece);
        tokens.extend(ids);
    }
    assert_eq!((&text, &tokens), (&generation.text, &generation.tokens));
    let seen = seen.borrow();
    assert!(tokens.starts_with(&seen) && tokens.len() <= seen.len() + 1, "{seen:?} of {tokens:?}");
    (generation, reason.expect("an end"))
}

fn depths(backend: Backend) -> Vec<Engine> {
    let depths: &[usize] = if backend == Backend::Cpu { &[1] } else { &[1, 2, 4] };
    depths.iter().map(|&depth| deep_engine(backend, "llama-f32", 256, depth)).collect()
}

fn a_mask_leaves_the_best_of_what_it_allows(backend: Backend) {
    let allowed = |n: usize| -> Vec<u32> { (0..7).map(|i| (n as u32 * 31 + i * 53) % 256).collect() };
    for mut engine in depths(backend) {
        let (masked, reason) = under(&mut engine, greedy(9), move |n| Rule::Of(allowed(n)));
        assert_eq!((masked.tokens.len(), reason), (9, FinishReason::Length));
        let sequence = engine.open(256).expect("a sequence");
        let mut logits = compute(&mut engine, &prompt(), sequence, 0, 16, true);
        logits.drain(..(prompt().len() - 1) * n_vocab(&engine));
        for (n, &token) in masked.tokens.iter().enumerate() {
            let allowed = allowed(n);
            let best: Vec<f32> = allowed.iter().map(|&id| logits[id as usize]).collect();
            assert_eq!(token, allowed[argmax(&best) as usize], "token {n}");
            logits = compute(&mut engine, &[token], sequence, (prompt().len() + n) as u32, 1, false);
        }
        // Draws, too, keep to it.
        for sampling in choices() {
            let (drawn, _) =
                under(&mut engine, GenerateOptions { sampling, ..greedy(9) }, move |n| Rule::Of(allowed(n)));
            assert!(drawn.tokens.iter().enumerate().all(|(n, token)| allowed(n).contains(token)));
        }
    }
}

fn from_free_to_masked_and_back_nothing_changes(backend: Backend) {
    for mut engine in depths(backend) {
        for sampling in choices() {
            let options = GenerateOptions { sampling, ..greedy(14) };
            let plain = run(&mut engine, &prompt(), options.clone());
            let plans: [fn(usize) -> Rule; 4] = [
                |_| Rule::Free,
                |_| Rule::All,
                |n| if (4..8).contains(&n) { Rule::All } else { Rule::Free },
                |n| if n % 3 == 0 { Rule::All } else { Rule::Free },
            ];
            for plan in plans {
                let (generation, reason) = under(&mut engine, options.clone(), plan);
                assert_eq!((generation.tokens, reason), (plain.tokens.clone(), plain.reason));
            }
        }
    }
}

fn forced_tokens_are_as_if_they_had_been_sampled(backend: Backend) {
    for mut engine in depths(backend) {
        for sampling in choices() {
            let options = GenerateOptions { sampling, fresh: false, logprobs: Some(1), ..greedy(30) };
            let (plain, _) = under(&mut engine, options.clone(), |_| Rule::Free);
            let said = plain.tokens.clone();
            // One, few, and more than a batch; from the start, in the middle, one run behind the other.
            for (from, count) in [(0, 1), (0, 3), (0, 20), (5, 1), (5, 2), (5, 7), (9, 20)] {
                let all = said.clone();
                let plan = move |n: usize| match n {
                    n if n == from => Rule::Force(all[from..from + count].to_vec()),
                    n if n == from + count => Rule::Force(all[n..(n + 1).min(all.len())].to_vec()),
                    n if n % 2 == 0 => Rule::All,
                    _ => Rule::Free,
                };
                engine.model.kv_mut().clear();
                let ahead = GenerateOptions { logprobs: None, ..options.clone() };
                let (forced, reason) = under(&mut engine, ahead, plan.clone());
                assert_eq!((&forced.tokens, reason), (&said, FinishReason::Length), "{count} from {from}");
                let (forced, _) = under(&mut engine, options.clone(), plan);
                assert_eq!(forced.tokens, said, "{count} from {from}, one at a time");
                for (at, (got, want)) in forced.logprobs.iter().zip(&plain.logprobs).enumerate() {
                    assert_eq!(got.token, want.token);
                    let certain = (from..=from + count).contains(&at);
                    let want = if certain { 0.0 } else { want.logprob };
                    assert!((got.logprob - want).abs() < 1e-4, "{count} from {from}, token {at}");
                }
                // What it left in the cache is reused, and right.
                let next = [prompt(), forced.tokens, vec![9, 63]].concat();
                let options = GenerateOptions { logprobs: None, ..options.clone() };
                let reused = run(&mut engine, &next, options.clone());
                assert!(reused.cached >= 40 + from.saturating_sub(1) && reused.cached <= 69, "{}", reused.cached);
                assert_eq!(reused.tokens, run(&mut engine, &next, GenerateOptions { fresh: true, ..options }).tokens);
            }
        }
    }
}

fn limits_hold_among_forced_tokens(backend: Backend) {
    let mut engine = engine(backend, 48);
    let said = run(&mut engine, &prompt(), greedy(8));
    let force = |from: usize| {
        let tokens = said.tokens.clone();
        move |n: usize| if n == from { Rule::Force(tokens[from..].to_vec()) } else { Rule::Free }
    };
    for from in [0, 2] {
        let (cut, reason) = under(&mut engine, greedy(5), force(from));
        assert_eq!((&cut.tokens[..], reason), (&said.tokens[..5], FinishReason::Length));
        let stop: String = said.text.chars().skip(5).take(2).collect();
        let (cut, reason) = under(&mut engine, GenerateOptions { stop: vec![stop.clone()], ..greedy(8) }, force(from));
        let plain = run(&mut engine, &prompt(), GenerateOptions { stop: vec![stop], ..greedy(8) });
        assert_eq!((cut.text, cut.tokens, reason), (plain.text, plain.tokens, FinishReason::Stop));
        let at = said.tokens.iter().position(|token| *token == said.tokens[4]).expect("it is there");
        let options = GenerateOptions { stop_tokens: vec![said.tokens[4]], ..greedy(8) };
        let (cut, reason) = under(&mut engine, options, force(from));
        assert_eq!((&cut.tokens[..], reason), (&said.tokens[..=at], FinishReason::Stop));
        // The context is full in the middle: 8 cells, and a token that needs none.
        let long = move |n: usize| if n == from { Rule::Force(vec![65; 30]) } else { Rule::Free };
        let (full, reason) = under(&mut engine, GenerateOptions { max_tokens: None, ..greedy(0) }, long);
        assert_eq!((full.tokens.len(), reason), (9, FinishReason::Length));
    }
    // One that forces without end.
    let options = GenerateOptions { max_tokens: None, ..greedy(0) };
    let (full, reason) = under(&mut engine, options, |_| Rule::Force(vec![65, 66]));
    assert_eq!((full.tokens.len(), reason), (9, FinishReason::Length));
    let (none, reason) = under(&mut engine, greedy(0), |_| Rule::Force(vec![65]));
    assert_eq!((none.tokens.len(), reason), (0, FinishReason::Length));
}

fn the_constraint_may_end_the_reply(backend: Backend) {
    let mut engine = engine(backend, 256);
    for at in [0, 1, 6] {
        let (ended, reason) = under(&mut engine, greedy(20), move |n| if n == at { Rule::End } else { Rule::Free });
        assert_eq!((ended.tokens.len(), reason), (at, FinishReason::Stop));
    }
    let (ended, reason) = under(&mut engine, greedy(20), |n| match n {
        2 => Rule::Force(vec![65, 66, 67]),
        5 => Rule::End,
        _ => Rule::Free,
    });
    assert_eq!((&ended.tokens[2..], reason), (&[65, 66, 67][..], FinishReason::Stop));
}

fn failures_end_the_reply_and_leave_the_model(backend: Backend) {
    let mut engine = engine(backend, 256);
    let plain = run(&mut engine, &prompt(), greedy(8)).tokens;
    let none = |at: usize| move |n: usize| if n == at { Rule::Of(Vec::new()) } else { Rule::Free };
    let fail = |n: usize| if n == 3 { Rule::Fail } else { Rule::All };
    for at in [0, 3] {
        let (mut generation, _) = begin(&mut engine, prompt(), greedy(8), none(at));
        let error = failure(&mut engine, &mut generation);
        assert!(error.code == Code::BadOption && error.message.contains("allows no token"), "{error}");
        assert_eq!(generation.tokens, plain[..at]);
        assert_eq!(run(&mut engine, &prompt(), GenerateOptions { fresh: false, ..greedy(8) }).tokens, plain);
    }
    let (mut generation, _) = begin(&mut engine, prompt(), greedy(8), fail);
    assert_eq!(failure(&mut engine, &mut generation).message, "The constraint failed.");
    assert_eq!(run(&mut engine, &prompt(), GenerateOptions { fresh: false, ..greedy(8) }).tokens, plain);
    // What the mask allows, a bias bans.
    let mut options = greedy(8);
    options.sampling.logit_bias = vec![(7, f32::NEG_INFINITY)];
    let (mut generation, _) = begin(&mut engine, prompt(), options, |_| Rule::Of(vec![7]));
    assert_eq!(failure(&mut engine, &mut generation).code, Code::BadOption);
    // The caller stops it.
    let tokens = plain.clone();
    let plan = move |n| if n == 2 { Rule::Force(tokens[2..4].to_vec()) } else { Rule::All };
    for steps in 0..7 {
        let options = GenerateOptions { fresh: false, ..greedy(8) };
        let (mut generation, _) = begin(&mut engine, prompt(), options.clone(), plan.clone());
        (0..steps).for_each(|_| drop(block_on(generation.next(&mut engine)).expect("a step")));
        generation.cancel();
        let end = block_on(generation.next(&mut engine)).expect("an end");
        assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })), "{end:?}");
        assert_eq!(run(&mut engine, &prompt(), options).tokens, plain);
    }
}

fn failure(engine: &mut Engine, generation: &mut Generation) -> Error {
    let error = loop {
        match block_on(generation.next(engine)) {
            Ok(step) => assert!(step.is_some(), "it ended without an error"),
            Err(error) => break error,
        }
    };
    assert!(block_on(generation.next(engine)).expect("nothing more").is_none());
    error
}

on_both_backends!(
    a_mask_leaves_the_best_of_what_it_allows,
    from_free_to_masked_and_back_nothing_changes,
    forced_tokens_are_as_if_they_had_been_sampled,
    limits_hold_among_forced_tokens,
    the_constraint_may_end_the_reply,
    failures_end_the_reply_and_leave_the_model,
);
