//! Guesses of what comes next, on each backend: they change how many passes a reply takes, and nothing else.

use crate::common::run::{compute, on_both_backends};
use crate::generation::{choices, deep_engine, engine, greedy, run};
use pollster::block_on;
use sotto::base::error::Result;
use sotto::device::Backend;
use sotto::run::constraint::{Commit, Constraint, Next};
use sotto::run::engine::Engine;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use sotto::run::speculate::Speculate;

/// Words of three tokens in some order: their ends come again and again, and mostly go on otherwise than before.
pub fn prompt(seed: u32) -> Vec<u32> {
    let mut state = seed.wrapping_mul(2_654_435_761) + 1;
    let mut below = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % n
    };
    let len = 2 + below(12);
    (0..3 * len).map(|i| 40 + 10 * (i % 3)).flat_map(|first| [first + below(4), first + 100]).collect()
}

/// Of few tokens: so what is written comes again.
pub fn few(sampling: SamplingParams) -> SamplingParams {
    SamplingParams { logit_bias: [40, 41, 50, 61, 150].map(|id| (id, 40.0)).to_vec(), ..sampling }
}

pub fn off(options: GenerateOptions) -> GenerateOptions {
    GenerateOptions { speculate: Speculate::OFF, ..options }
}

pub fn most(count: u32, options: GenerateOptions) -> GenerateOptions {
    GenerateOptions { speculate: Speculate::Most(count), ..options }
}

pub fn whole(engine: &mut Engine, prompt: &[u32], options: GenerateOptions) -> Generation {
    let mut generation = Generation::with_tokens(engine, prompt.to_vec(), options).expect("a generation");
    while block_on(generation.next(engine)).expect("a step").is_some() {}
    generation
}

/// Steps until so many tokens are there.
pub fn write(engine: &mut Engine, generation: &mut Generation, tokens: usize) {
    while generation.tokens.len() < tokens {
        block_on(generation.next(engine)).expect("a step");
    }
}

/// On the CPU to the bit. On a GPU a row among others has kernels that sum in other orders.
#[track_caller]
pub fn compare(backend: Backend, one: &Generation, plain: &Generation) {
    assert_eq!((&one.tokens, &one.text, &one.ends), (&plain.tokens, &plain.text, &plain.ends));
    assert_eq!(one.logprobs.len(), plain.logprobs.len());
    for (one, plain) in one.logprobs.iter().zip(&plain.logprobs) {
        let differs = (one.logprob - plain.logprob).abs();
        assert!(differs <= if backend == Backend::Cpu { 0.0 } else { 2e-5 }, "{one:?}, plainly {plain:?}");
    }
}

fn of_a_hundred_prompts_each_reply_is_the_plain_one(backend: Backend) {
    let (mut engine, mut drafted, mut accepted) = (engine(backend, 256), 0, 0);
    for seed in 0..100 {
        let prompt = prompt(seed);
        let options = match seed % 2 {
            0 => greedy(40),
            _ => GenerateOptions { sampling: few(SamplingParams::default()), ..greedy(40) },
        };
        let plain = whole(&mut engine, &prompt, off(options.clone()));
        assert_eq!(plain.timings.drafted_tokens, 0);
        let guessed = whole(&mut engine, &prompt, most([1, 3, 4, 15][seed as usize / 2 % 4], options.clone()));
        compare(backend, &guessed, &plain);
        drafted += guessed.timings.drafted_tokens;
        accepted += guessed.timings.accepted_tokens;
        compare(backend, &whole(&mut engine, &prompt, options), &plain);
    }
    println!("{accepted} of {drafted} guesses were right");
    assert!(accepted > 300 && drafted > accepted + 100, "{accepted} of {drafted} guesses were right");
}

fn draws_are_those_of_plain_decoding(backend: Backend) {
    let (mut engine, mut accepted) = (engine(backend, 256), 0);
    for seed in 0..12u32 {
        for sampling in choices() {
            let options = GenerateOptions { sampling: few(sampling), logprobs: Some(2), ..greedy(24) };
            let plain = whole(&mut engine, &prompt(seed), off(options.clone()));
            let guessed = whole(&mut engine, &prompt(seed), most(5, options));
            compare(backend, &guessed, &plain);
            accepted += guessed.timings.accepted_tokens;
        }
    }
    assert!(accepted > 100, "{accepted} guesses were right");
}

/// Begins a reply with some tokens, and leaves it free then.
struct Begins(Vec<u32>);

impl Constraint for Begins {
    fn start(&mut self) -> Result<Commit> {
        Ok(Commit { forced: std::mem::take(&mut self.0), next: Next::Free })
    }
    fn commit(&mut self, _: u32) -> Result<Commit> {
        Ok(Commit::default())
    }
    fn mask(&mut self) -> Result<Vec<u32>> {
        panic!("nothing is masked")
    }
}

/// Tokens are told apart by their number modulo this, so that none is too rare to count.
const KINDS: usize = 16;

/// Pearson's statistic of counts by token against probabilities: of `KINDS - 1` degrees of freedom.
fn chi_square(counts: &[f64], probabilities: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let of = |all: &[f64], kind: usize| all.iter().skip(kind).step_by(KINDS).sum::<f64>();
    let kinds = (0..KINDS).map(|kind| (of(counts, kind), total * of(probabilities, kind)));
    kinds.map(|(count, expected)| (count - expected).powi(2) / expected).sum()
}

fn what_is_drawn_has_the_models_distribution(backend: Backend) {
    // What followed 70, 71 was 72: after they came once more, that is the guess.
    let mut engine = engine(backend, 64);
    draws_after_a_guess_have_the_models_distribution(&mut engine, [70, 71, 72, 73, 74, 75, 70], 71, 72);
}

/// Of many replies to a text that `first` begins, after which `guess` is what is guessed: a bias makes it likely.
pub fn draws_after_a_guess_have_the_models_distribution(engine: &mut Engine, text: [u32; 7], first: u32, guess: u32) {
    let backend = engine.device.backend();
    let n_vocab = engine.model.net.n_vocab as usize;
    let mut weights = |ids: &[u32]| -> Vec<f64> {
        let sequence = engine.open(64).expect("a sequence");
        let logits = compute(engine, ids, sequence, 0, 16, true).split_off((ids.len() - 1) * n_vocab);
        logits.into_iter().map(|logit| f64::from(logit).exp()).collect()
    };
    let before = [&text[..], &[first]].concat();
    let (mut once, mut twice) = (weights(&before), weights(&[&before[..], &[guess]].concat()));
    let bias = (once.iter().sum::<f64>() / once[guess as usize]).ln() as f32;
    for weights in [&mut once, &mut twice] {
        weights[guess as usize] *= f64::from(bias).exp();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    assert!((0.4..0.7).contains(&once[guess as usize]), "{}", once[guess as usize]);
    let sampling =
        |seed| SamplingParams { temperature: 1.0, seed, logit_bias: vec![(guess, bias)], ..Default::default() };
    let (mut firsts, mut seconds) = (vec![0.0; n_vocab], vec![0.0; n_vocab]);
    for seed in 0..if backend == Backend::Cpu { 6000 } else { 1500 } {
        let options = most(1, GenerateOptions { sampling: sampling(seed), ..greedy(3) });
        let begins: Box<dyn Constraint> = Box::new(Begins(vec![first]));
        let mut reply = Generation::constrained(engine, text.to_vec(), options, Some(begins)).expect("one");
        write(engine, &mut reply, 3);
        assert_eq!(reply.timings.drafted_tokens, 1);
        assert_eq!(reply.timings.accepted_tokens == 1, reply.tokens[1] == guess);
        firsts[reply.tokens[1] as usize] += 1.0;
        if reply.tokens[1] == guess {
            seconds[reply.tokens[2] as usize] += 1.0;
        }
    }
    for (counts, probabilities) in [(firsts, once), (seconds, twice)] {
        let sum = chi_square(&counts, &probabilities);
        println!("{backend:?}: chi square {sum:.1}, {} degrees of freedom", KINDS - 1);
        // More comes by chance once in a thousand times; the seeds are always the same.
        assert!(sum < 37.7, "chi square {sum:.1} of {} degrees of freedom", KINDS - 1);
    }
}

fn what_ends_a_reply_ends_it_among_guesses(backend: Backend) {
    let mut engine = engine(backend, 256);
    for seed in 0..8 {
        let prompt = prompt(seed);
        let greedy = |most| GenerateOptions { sampling: few(SamplingParams::default()), ..greedy(most) };
        let plain = whole(&mut engine, &prompt, off(greedy(40)));
        let stop: String = plain.text.chars().skip(plain.text.chars().count() / 2).take(2).collect();
        for options in [
            GenerateOptions { stop: vec![stop], ..greedy(40) },
            GenerateOptions { stop_tokens: vec![plain.tokens[20]], ..greedy(40) },
            greedy(17),
        ] {
            let expected = whole(&mut engine, &prompt, off(options.clone()));
            compare(backend, &whole(&mut engine, &prompt, most(7, options)), &expected);
        }
        // The context ends in the midst of them.
        let mut small = deep_engine(backend, "llama-f32", prompt.len() as u32 + 21, 1);
        let expected = whole(&mut small, &prompt, off(greedy(90)));
        assert_eq!(expected.tokens.len(), 22);
        compare(backend, &whole(&mut small, &prompt, most(15, greedy(90))), &expected);
    }
}

/// Free for some tokens, then what it allows, then one that it forces, then free again.
struct Turns(usize);

impl Turns {
    fn now(&self) -> Commit {
        match self.0 {
            12..16 => Commit { forced: Vec::new(), next: Next::Masked },
            20 => Commit { forced: vec![45], next: Next::Free },
            _ => Commit::default(),
        }
    }
}

impl Constraint for Turns {
    fn start(&mut self) -> Result<Commit> {
        Ok(self.now())
    }
    fn commit(&mut self, _: u32) -> Result<Commit> {
        self.0 += 1;
        Ok(self.now())
    }
    fn mask(&mut self) -> Result<Vec<u32>> {
        Ok(vec![0x0f0f_0f0f; 64])
    }
}

fn a_constraint_is_kept_beside_guesses(backend: Backend) {
    let mut engine = engine(backend, 256);
    let mut accepted = 0;
    for seed in 0..8 {
        let mut under = |options| {
            let turns: Box<dyn Constraint> = Box::new(Turns(0));
            let mut reply = Generation::constrained(&mut engine, prompt(seed), options, Some(turns)).expect("one");
            while block_on(reply.next(&mut engine)).expect("a step").is_some() {}
            reply
        };
        let plain =
            under(off(GenerateOptions { logprobs: Some(1), sampling: few(SamplingParams::default()), ..greedy(40) }));
        assert_eq!(plain.tokens[20], 45);
        let guessed = under(most(
            6,
            GenerateOptions { logprobs: Some(1), sampling: few(SamplingParams::default()), ..greedy(40) },
        ));
        compare(backend, &guessed, &plain);
        accepted += guessed.timings.accepted_tokens;
    }
    assert!(accepted > 20, "{accepted} guesses were right");
}

fn the_cache_holds_what_was_written_and_no_guess(backend: Backend) {
    let mut engine = engine(backend, 256);
    let kept = |options| GenerateOptions { fresh: false, sampling: few(SamplingParams::default()), ..options };
    for seed in 0..6 {
        let prompt = prompt(seed);
        let mut cut = Generation::with_tokens(&mut engine, prompt.clone(), kept(most(7, greedy(60)))).expect("one");
        write(&mut engine, &mut cut, 20 + seed as usize);
        cut.cancel();
        let end = block_on(cut.next(&mut engine)).expect("an end");
        assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })));
        let longer = [&prompt[..], &cut.tokens, &[41, 140]].concat();
        let again = whole(&mut engine, &longer, kept(most(7, greedy(20))));
        assert!(again.timings.cached_tokens >= longer.len() - 3, "{} of {}", again.timings.cached_tokens, longer.len());
        compare(backend, &again, &whole(&mut engine, &longer, off(kept(greedy(20)))));
    }
}

fn another_request_may_come_among_guesses(backend: Backend) {
    let mut engine = engine(backend, 256);
    let greedy = |most| GenerateOptions { sampling: few(SamplingParams::default()), ..greedy(most) };
    for seed in 0..6 {
        let (one, two) = (prompt(seed), prompt(seed + 50));
        let expected = [&one, &two].map(|prompt| whole(&mut engine, prompt, off(greedy(40))));
        let mut first = Generation::with_tokens(&mut engine, one, most(7, greedy(40))).expect("one");
        write(&mut engine, &mut first, 9 + seed as usize);
        let mut second = Generation::with_tokens(&mut engine, two, most(7, greedy(40))).expect("one");
        let guessed = first.timings.drafted_tokens;
        for round in 0.. {
            let mut goes_on = false;
            for reply in [&mut first, &mut second] {
                goes_on |= block_on(reply.next(&mut engine)).expect("a step").is_some();
            }
            if !goes_on {
                break;
            }
            // Side by side nothing is guessed.
            assert!(round > 25 || first.timings.drafted_tokens == guessed);
        }
        compare(backend, &first, &expected[0]);
        compare(backend, &second, &expected[1]);
    }
}

fn no_other_text_is_forgotten_for_a_guess(backend: Backend) {
    // Of five blocks the other has three, and the reply fills the rest.
    let mut engine = engine(backend, 160);
    let kept = |options| GenerateOptions { fresh: false, sampling: few(SamplingParams::default()), ..options };
    let other = [33; 70];
    run(&mut engine, &other, kept(greedy(4)));
    let plain = whole(&mut engine, &prompt(1)[..12], kept(most(15, greedy(52))));
    assert!(plain.timings.drafted_tokens > 0);
    assert!(engine.model.kv().sequences().iter().any(|sequence| sequence.tokens.starts_with(&other)));
}

on_both_backends!(
    of_a_hundred_prompts_each_reply_is_the_plain_one,
    draws_are_those_of_plain_decoding,
    what_is_drawn_has_the_models_distribution,
    what_ends_a_reply_ends_it_among_guesses,
    a_constraint_is_kept_beside_guesses,
    the_cache_holds_what_was_written_and_no_guess,
    another_request_may_come_among_guesses,
    no_other_text_is_forgotten_for_a_guess,
);
