//! States of sequences: what goes on from them is what would come without, wherever texts are cut, shared and gone back in.

use crate::common::run::{compute, largest_difference, load, on_both_backends, rows};
use crate::common::twin::{Layout, Twin};
use crate::generation::{Run, greedy, run};
use crate::together::come_and_go;
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::recording::Dispatch;
use sotto::device::reference::CpuMemory;
use sotto::kernels::face::Face;
use sotto::kernels::recurrent::NONE;
use sotto::kernels::table::{delta_blocks, scan_out};
use sotto::model::fit::Counter;
use sotto::model::forward::Shape;
use sotto::model::store::{SequenceId, States, Store};
use sotto::run::batch::Batch;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::run::speculate::Speculate;
use tiny_models::archs;
use tiny_models::archs::Key::{self, I, U};
use whole_models::described::{CEILING_DECODED, CEILING_F32};

/// Tiny models with states.
pub const NAMES: [&str; 8] =
    ["lfm2", "lfm2/slim", "mamba2/slim", "granitehybrid/experts", "falcon-h1", "qwen35", "mamba/normed", "jamba"];

pub fn file(name: &str) -> Vec<u8> {
    archs::build(name).expect("a tiny model")
}

pub fn engine(backend: Backend, name: &str, context: u32, max_rows: u32) -> Engine {
    let depth = if backend == Backend::Cpu { 1 } else { 3 };
    let options = LoadOptions {
        backend,
        context: Some(context),
        cache_tokens: Some(2 * context),
        max_rows: Some(max_rows),
        depth: Some(depth),
        kv: KvType::F32,
        ..Default::default()
    };
    load(&file(name), options).expect("a model")
}

pub fn text(first: u32, len: u32) -> Vec<u32> {
    (0..len).map(|i| 10 + (first + 7 * i + i * i % 11) % 80).collect()
}

fn kept(most: u32) -> GenerateOptions {
    GenerateOptions { fresh: false, ..greedy(most) }
}

fn whoever_comes_and_goes_on_states(backend: Backend) {
    for name in ["lfm2", "mamba2", "qwen35"] {
        come_and_go(backend, &file(name), None);
    }
}

fn whoever_comes_and_goes_on_few_states(backend: Backend) {
    come_and_go(backend, &file("lfm2"), Some(9));
}

/// The largest error of a logit, of the largest logit: 512 rows against 512 steps.
const CEILING_STEPPED: f32 = 1e-5;

/// As many rows at a time as there are, or one: the same, and the first in as many dispatches as few rows take.
fn a_prompt_of_512_is_no_walk(backend: Backend) {
    for name in NAMES {
        let mut engine = engine(backend, name, 512, 512);
        let prompt = text(3, 512);
        let sequences = [(); 2].map(|()| engine.open(512).expect("a sequence"));
        let forward = |engine: &mut Engine, at: std::ops::Range<usize>, sequence: SequenceId, prefill: bool| {
            let rows = rows(&prompt[at.clone()], at.start as u32, sequence.0, |p| p == 511);
            block_on(engine.forward(&Batch { rows, prefill })).expect("logits")
        };
        let whole = forward(&mut engine, 0..512, sequences[0], true);
        let stepped = (0..512).map(|at| forward(&mut engine, at..at + 1, sequences[1], false)).last().expect("a step");
        let largest = whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let error = largest_difference(&whole, &stepped) / largest;
        assert!(error < CEILING_STEPPED, "{name}: {error:.1e} of the largest logit");
        // However many rows there are, a pass has as many dispatches.
        let [few, many] = [32, 512].map(|rows| engine.model.record(Shape::new(rows, 1, true, 0)).expect("a pass"));
        assert_eq!(few.dispatches.len(), many.dispatches.len(), "{name}");
    }
}

fn however_a_prompt_is_cut_its_logits_are_the_same(backend: Backend) {
    for name in NAMES {
        let prompt = text(5, 90);
        let mut engine = engine(backend, name, 128, 64);
        let mut logits = |chunk: usize, prefill: bool| {
            let sequence = engine.open(90).expect("a sequence");
            let logits = compute(&mut engine, &prompt, sequence, 0, chunk, prefill);
            engine.close(sequence);
            logits
        };
        let whole = logits(16, true);
        for (chunk, prefill) in
            [(1, true), (2, true), (3, true), (7, true), (13, true), (1, false), (3, false), (9, false)]
        {
            let error = largest_difference(&logits(chunk, prefill), &whole);
            let most = if prefill { CEILING_F32 } else { CEILING_DECODED };
            assert!(error < most, "{name}, chunks of {chunk}, prefill {prefill}: {error:.1e}");
        }
    }
}

/// Tokens that sequences have, and those that a pass brings: of replies one or two, beside prompts.
const BESIDE: [(usize, usize); 6] = [(20, 1), (0, 37), (33, 1), (5, 2), (0, 1), (17, 1)];

fn rows_beside_a_prompt_are_what_they_are_alone(backend: Backend) {
    for name in NAMES {
        let mut engine = engine(backend, name, 128, 64);
        let mut passes = |parts: &[usize]| {
            let mut all = Vec::new();
            for &part in parts {
                let (before, count) = BESIDE[part];
                let tokens = text(part as u32, (before + count) as u32);
                let id = engine.open(tokens.len() as u32).expect("a sequence");
                if before > 0 {
                    compute(&mut engine, &tokens[..before], id, 0, 16, true);
                }
                all.extend(rows(&tokens[before..], before as u32, id.0, |p| p as usize + 1 == before + count));
            }
            let logits = block_on(engine.forward(&Batch { rows: all, prefill: true })).expect("logits");
            engine.model.kv_mut().clear();
            logits
        };
        let together = passes(&[0, 1, 2, 3, 4, 5]);
        let alone: Vec<f32> = (0..6).flat_map(|part| passes(&[part])).collect();
        let error = largest_difference(&together, &alone);
        assert!(error < CEILING_F32, "{name}: {error:.1e}");
    }
}

fn a_sequence_goes_back_to_where_a_state_is(backend: Backend) {
    for name in NAMES {
        let prompt = text(9, 40);
        let mut engine = engine(backend, name, 64, 16);
        let forward = |engine: &mut Engine, id: SequenceId, from: usize, to: usize| {
            let rows = rows(&prompt[from..to], from as u32, id.0, |p| p as usize + 1 == to);
            let logits = block_on(engine.forward(&Batch { rows, prefill: true })).expect("logits");
            engine.model.kv_mut().push(id, &prompt[from..to]);
            logits
        };
        let id = engine.open(40).expect("a sequence");
        let parts = [(0, 9), (9, 20), (20, 33), (33, 40)];
        let before: Vec<Vec<f32>> = parts.iter().map(|&(from, to)| forward(&mut engine, id, from, to)).collect();
        let store = engine.model.kv_mut();
        assert_eq!([40, 39, 33, 25, 20, 9, 8, 0].map(|to| store.reach(id, to)), [40, 33, 33, 20, 20, 9, 0, 0]);
        assert_eq!(store.rewind(id, 25), 20);
        assert_eq!((store.get(id).expect("a sequence").tokens.len(), store.reach(id, 40)), (20, 20));
        let again: Vec<Vec<f32>> = parts[2..].iter().map(|&(from, to)| forward(&mut engine, id, from, to)).collect();
        assert!(largest_difference(&again.concat(), &before[2..].concat()) == 0.0, "{name}");
        // A copy goes on from the same states, and the sequence itself is not touched by it.
        let device = &mut engine.device;
        let other = engine.model.kv_mut().fork(id, 36, 40, device).expect("a copy");
        assert_eq!(engine.model.kv().get(other).expect("a copy").tokens.len(), 33);
        assert!(largest_difference(&forward(&mut engine, other, 33, 40), &before[3]) == 0.0, "{name}");
        assert_eq!(engine.model.kv_mut().rewind(id, 33), 33);
        assert!(largest_difference(&forward(&mut engine, id, 33, 40), &before[3]) == 0.0, "{name}");
        // Nothing is kept after 7 tokens.
        let rows = rows(&prompt[7..9], 7, id.0, |_| true);
        let error = block_on(engine.forward(&Batch { rows, prefill: true })).expect_err("no state");
        assert_eq!(error.code, Code::Internal, "{error}");
    }
}

fn conversations_go_on_from_their_states(backend: Backend) {
    let (mut shared, mut alone) = (engine(backend, "lfm2", 128, 16), engine(backend, "lfm2", 128, 16));
    let mut both = [(text(1, 20), 0), (text(2, 30), 0)];
    for reply in [8, 3, 9] {
        for (tokens, computed) in &mut both {
            let prompt = [&tokens[..], &text(tokens.len() as u32, 6)].concat();
            let found = run(&mut shared, &prompt, kept(reply));
            assert_eq!(found.cached, *computed);
            assert_eq!(found.tokens, run(&mut alone, &prompt, greedy(reply)).tokens);
            *computed = prompt.len() + found.tokens.len() - 1;
            *tokens = [prompt, found.tokens].concat();
        }
    }
    // The same prompt once more, or one that ends elsewhere, goes on from the end of a chunk.
    let prompt = text(7, 41);
    let Run { tokens, cached, .. } = run(&mut shared, &prompt, kept(9));
    assert_eq!(cached, 0);
    let again = run(&mut shared, &prompt, kept(9));
    assert_eq!((again.cached, &again.tokens), (32, &tokens));
    let other = [&prompt[..38], &text(50, 8)].concat();
    let third = run(&mut shared, &other, kept(9));
    assert_eq!((third.cached, third.tokens), (32, run(&mut alone, &other, greedy(9)).tokens));
    // Where a chunk is longer, from before its last token.
    let mut at_once = engine(backend, "lfm2", 128, 64);
    let cached = [(); 2].map(|()| {
        let found = run(&mut at_once, &prompt, kept(9));
        assert_eq!(found.tokens, tokens);
        found.cached
    });
    assert_eq!(cached, [0, 40]);
}

fn replies_to_one_prompt_read_it_once(backend: Backend) {
    let mut engine = engine(backend, "lfm2", 128, 16);
    let alone = run(&mut engine, &text(1, 40), greedy(6)).tokens;
    engine.model.kv_mut().clear();
    let mut all: Vec<Generation> =
        (0..3).map(|_| Generation::with_tokens(&mut engine, text(1, 40), kept(6)).expect("a generation")).collect();
    for _ in 0..60 {
        for generation in &mut all {
            block_on(generation.next(&mut engine)).expect("a step");
        }
    }
    let cached: Vec<usize> = all.iter().map(|one| one.timings.cached_tokens).collect();
    assert!(cached[0] == 0 && cached[1..].iter().all(|&tokens| tokens >= 32), "{cached:?}");
    assert!(all.iter().all(|one| one.tokens == alone), "{cached:?}");
}

fn wrong_guesses_are_taken_back(backend: Backend) {
    let mut engine = engine(backend, "lfm2", 128, 16);
    let (mut drafted, mut accepted) = (0, 0);
    for seed in 0..12 {
        let prompt: Vec<u32> = (0..30).map(|i| 40 + (seed + i % 3 + i / 11) % 5).collect();
        // Of few tokens: so what is written comes again.
        let logit_bias = [40, 41, 50, 61, 150].map(|id| (id, 40.0)).to_vec();
        let sampling = SamplingParams { logit_bias, ..SamplingParams::default() };
        let options = |speculate| GenerateOptions { speculate, sampling: sampling.clone(), ..greedy(40) };
        let plain = run(&mut engine, &prompt, options(Speculate::OFF)).tokens;
        for most in [1, 5] {
            let mut one =
                Generation::with_tokens(&mut engine, prompt.clone(), options(Speculate::Most(most))).expect("one");
            while block_on(one.next(&mut engine)).expect("a step").is_some() {}
            assert_eq!(one.tokens, plain, "{seed}, {most}");
            drafted += one.timings.drafted_tokens;
            accepted += one.timings.accepted_tokens;
        }
        // By itself nothing is guessed.
        let mut one = Generation::with_tokens(&mut engine, prompt, options(Speculate::default())).expect("one");
        while block_on(one.next(&mut engine)).expect("a step").is_some() {}
        assert_eq!((one.tokens, one.timings.drafted_tokens), (plain, 0));
    }
    println!("{accepted} of {drafted} guesses were right");
    assert!(drafted > accepted && accepted > 0, "{accepted} of {drafted}");
}

on_both_backends!(
    whoever_comes_and_goes_on_states,
    whoever_comes_and_goes_on_few_states,
    a_prompt_of_512_is_no_walk,
    however_a_prompt_is_cut_its_logits_are_the_same,
    rows_beside_a_prompt_are_what_they_are_alone,
    a_sequence_goes_back_to_where_a_state_is,
    conversations_go_on_from_their_states,
    replies_to_one_prompt_read_it_once,
    wrong_guesses_are_taken_back,
);

/// Models in which what is kept of blocks takes more than any other activations: states that are wide, and many short heads.
const IN_LARGE_BLOCKS: [(&str, &[(&str, Key)]); 2] = [
    (
        "mamba2",
        &[
            ("ssm.conv_kernel", U(4)),
            ("ssm.inner_size", U(192)),
            ("ssm.state_size", U(128)),
            ("ssm.time_step_rank", U(6)),
            ("ssm.group_count", U(1)),
            ("attention.head_count", U(0)),
            ("feed_forward_length", U(0)),
        ],
    ),
    (
        "qwen35",
        &[
            ("rope.dimension_count", U(12)),
            ("rope.dimension_sections", I(&[2, 2, 2, 0])),
            ("ssm.conv_kernel", U(4)),
            ("ssm.inner_size", U(160)),
            ("ssm.state_size", U(8)),
            ("ssm.time_step_rank", U(20)),
            ("ssm.group_count", U(2)),
        ],
    ),
];

#[test]
fn where_a_binding_is_too_small_for_blocks_a_prompt_goes_row_after_row() {
    for (name, keys) in IN_LARGE_BLOCKS {
        let row = archs::ROWS.iter().find(|row| row.name == name).expect("a tiny model");
        let file = row.of(keys).assemble().to_bytes();
        let largest = |twin: &Twin| {
            let activations = twin.both.buffers.iter().filter(|(label, _)| label.starts_with("activations"));
            activations.map(|(_, bytes)| *bytes).max().expect("activations")
        };
        let in_blocks = |twin: &Twin| {
            let recording = twin.model.record(Shape::new(64, 1, true, 63)).expect("a recording");
            let of = |d: &Dispatch| {
                scan_out::Variant::of(d.variant).is_some() || delta_blocks::Variant::of(d.variant).is_some()
            };
            recording.dispatches.iter().any(of)
        };
        let mut whole = Twin::new(&file, Layout::default());
        assert!(in_blocks(&whole), "{name}");
        let most = largest(&whole);
        let mut same = Twin::new(&file, Layout { max_binding: most, ..Default::default() });
        assert!(in_blocks(&same), "{name}");
        let mut small = Twin::new(&file, Layout { max_binding: most - 1, ..Default::default() });
        assert!(!in_blocks(&small) && largest(&small) < most, "{name}");
        let [want, same, found] = [&mut whole, &mut same, &mut small].map(|twin| {
            let sequence = twin.model.kv().sequences()[0].id.0;
            twin.forward(&Batch { rows: rows(&text(3, 40), 0, sequence, |p| p > 30), prefill: true })
        });
        let [same, found] = [same, found].map(|found| largest_difference(&want, &found));
        assert!(same < CEILING_F32 && found < CEILING_F32, "{name}: {same:.1e}, {found:.1e}");
    }
}

/// A store whose states are what a pass would leave: the tokens that they are the state after.
struct Kept {
    store: Store,
    memory: CpuMemory,
    states: Vec<Vec<u32>>,
}

impl Kept {
    /// Computes these tokens behind the first `from` of a sequence, from whose state it goes on.
    fn compute(&mut self, id: SequenceId, from: usize, tokens: &[u32]) {
        let known = self.store.get(id).expect("a sequence").tokens[..from].to_vec();
        let [read, written] = self.store.advance(id, from as u32, tokens.len() as u32).expect("states");
        let before = if read == NONE { &[][..] } else { &self.states[read as usize] };
        assert_eq!(before, known, "state {read}");
        assert_ne!(read, written);
        self.states[written as usize] = [&known, tokens].concat();
    }
}

#[test]
fn whatever_is_forgotten_each_sequence_finds_its_own_state() {
    let mut state = 5u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    for most in [6, 20] {
        let mut memory = CpuMemory::default();
        let mut store = Store::new([[4; 2]], KvType::F32, 400, &mut memory).expect("cells");
        store.states = States::new([0, 8], &mut Counter::new(u64::MAX)).expect("states");
        store.states.limit(most);
        let mut all = Kept { store, memory, states: vec![Vec::new(); most as usize] };
        let (mut rewound, mut whole, mut forked, mut gone) = (0, 0, 0, 0);
        for _ in 0..4000 {
            let ids: Vec<SequenceId> = all.store.sequences().iter().map(|s| s.id).collect();
            let some = (!ids.is_empty()).then(|| ids[below(ids.len() as u64) as usize]);
            let Some(id) = some.filter(|_| below(8) > 0) else {
                all.store.open(40, &mut all.memory).expect("a sequence");
                continue;
            };
            let len = all.store.get(id).expect("a sequence").tokens.len() as u64;
            match below(6) {
                0 => {
                    let to = below(len + 1) as u32;
                    let reach = all.store.reach(id, to);
                    let left = all.store.rewind(id, to);
                    assert!(left == reach && left <= to);
                    rewound += u32::from(left > 0);
                    whole += u32::from(left > 0 && left == to);
                }
                1 => {
                    let shared = below(len + 1) as u32;
                    let copy = all.store.fork(id, shared, 40, &mut all.memory).expect("a copy");
                    forked += u32::from(!all.store.get(copy).expect("a copy").tokens.is_empty());
                }
                2 if below(3) == 0 => all.store.close(id),
                // Steps in vain, and then the sequence as it was.
                3 => {
                    all.store.settle(id);
                    let from = all.store.get(id).expect("a sequence").tokens.len();
                    let mut ahead = all.store.get(id).expect("a sequence").tokens.clone();
                    all.store.hold(id, true);
                    for step in 0..below(4) as usize {
                        let [read, written] = all.store.advance(id, (from + step) as u32, 1).expect("states");
                        assert!(read == NONE || all.states[read as usize] == ahead);
                        ahead.push(below(50) as u32);
                        all.states[written as usize] = ahead.clone();
                    }
                    all.store.settle(id);
                    assert_eq!(all.store.get(id).expect("a sequence").tokens.len(), from);
                    all.store.hold(id, false);
                }
                _ => {
                    all.store.settle(id);
                    let from = all.store.get(id).expect("a sequence").tokens.len();
                    let tokens: Vec<u32> = (0..=below(9)).map(|_| below(50) as u32).collect();
                    if from + tokens.len() <= 40 {
                        all.compute(id, from, &tokens);
                        all.store.touch(id);
                        all.store.push(id, &tokens);
                        assert_eq!(all.store.reach(id, 40), (from + tokens.len()) as u32);
                    }
                }
            }
            gone += ids.iter().filter(|id| all.store.get(**id).is_err()).count();
        }
        assert!(rewound > 60 && whole > 20 && forked > 60 && gone > 60, "{most}: {rewound}, {whole}, {forked}, {gone}");
    }
}

#[test]
fn without_states_every_token_can_be_gone_back_to() {
    let mut memory = CpuMemory::default();
    let mut store = Store::new([[4; 2]], KvType::F32, 40, &mut memory).expect("cells");
    store.states = States::new([0, 0], &mut memory).expect("none");
    let id = store.open(20, &mut memory).expect("a sequence");
    store.push(id, &[1; 20]);
    assert_eq!((store.reach(id, 13), store.rewind(id, 13)), (13, 13));
    assert!(store.has_states_for(1000));
}
