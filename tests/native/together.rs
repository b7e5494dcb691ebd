//! Several generations at once on one engine: each writes what it would write alone, whoever comes and goes beside it.

use std::collections::{HashMap, HashSet};

use crate::common::run::{load, on_both_backends};
use crate::generation::{engine, greedy, run};
use pollster::block_on;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::model::store::GONE;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::sampler::SamplingParams;
use sotto::run::schedule::Schedule;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use tiny_models as tiny;

/// Tokens of a text; those of one `kind` start alike.
fn text(kind: u32, len: u32) -> Vec<u32> {
    (0..len).map(|i| 10 + (kind + 7 * i + i / 20 * len) % 80).collect()
}

fn options(sampling: u64, most: u32) -> GenerateOptions {
    let drawn = SamplingParams { temperature: 1.5, seed: sampling, ..SamplingParams::chat() };
    let sampling = match sampling % 3 {
        0 => SamplingParams::default(),
        1 => drawn,
        _ => SamplingParams { repeat_penalty: 1.3, presence_penalty: 0.4, logit_bias: vec![(40, 2.0)], ..drawn },
    };
    let schedule = if most.is_multiple_of(2) { Schedule::Latency } else { Schedule::Throughput };
    GenerateOptions { sampling, schedule, fresh: false, logprobs: Some(1), ..greedy(most) }
}

/// Steps until it is over.
fn finish(engine: &mut Engine, generation: &mut Generation) {
    while block_on(generation.next(engine)).expect("a step").is_some() {}
}

/// How far two choices of the same token may be apart: on the CPU not at all. On a GPU one row has kernels of its own, whose
/// sums are made in another order.
fn apart(backend: Backend) -> f64 {
    if backend == Backend::Cpu { 0.0 } else { 2e-5 }
}

#[track_caller]
fn compare(backend: Backend, one: &Generation, alone: &Generation) {
    assert_eq!(one.tokens, alone.tokens[..one.tokens.len()]);
    for (one, other) in one.logprobs.iter().zip(&alone.logprobs) {
        let differs = (one.logprob - other.logprob).abs();
        assert!(differs <= apart(backend), "{one:?}, alone {other:?}");
    }
}

/// The kind and length of its prompt, how it samples, and how much.
type Asked = (u32, u32, u64, u32);

/// One that comes and goes.
struct Guest {
    generation: Generation,
    asked: Asked,
}

fn whoever_comes_and_goes_each_writes_what_it_would_alone(backend: Backend) {
    come_and_go(backend, &tiny::build("llama-f32").expect("a tiny model"), None);
}

/// Requests at random on a model of this file, which keeps so many states at most.
pub fn come_and_go(backend: Backend, file: &[u8], states: Option<u32>) {
    come_and_go_in(backend, file, states, None);
}

/// The same, or on longer texts where layers with a window have so few cells that theirs go.
pub fn come_and_go_in(backend: Backend, file: &[u8], states: Option<u32>, near: Option<u32>) {
    // Prompts are so many times as long.
    let (longer, context, cells) = if near.is_some() { (4, 384, 1088) } else { (1, 96, 200) };
    // Models with states take long on a software adapter.
    let steps = match backend {
        Backend::Cpu => 2500,
        _ if states.is_some() => 800,
        _ => 1500,
    };
    let options_of = |cells| LoadOptions {
        backend,
        context: Some(context),
        cache_tokens: Some(cells),
        max_rows: Some(16),
        kv: KvType::F32,
        ..Default::default()
    };
    let mut shared = load(file, options_of(cells)).expect("a model");
    let mut alone = load(file, options_of(context)).expect("a model");
    near.into_iter().for_each(|most| shared.model.kv_mut().limit_near(most));
    states.into_iter().for_each(|most| shared.model.kv_mut().states.limit(most));
    let mut by_itself = |(kind, len, sampling, reply): Asked| {
        let options = GenerateOptions { fresh: true, ..options(sampling, reply) };
        let mut one = Generation::with_tokens(&mut alone, text(kind, len), options).expect("a generation");
        finish(&mut alone, &mut one);
        one
    };
    let mut known: HashMap<Asked, Generation> = HashMap::new();
    let mut state = 11u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let mut guests: Vec<Guest> = Vec::new();
    let (mut whole, mut cut, mut most, mut waited, mut lent, mut gone) = (0, 0, 0, 0, 0, 0);
    for _ in 0..steps {
        match below(12) {
            0 | 1 if guests.len() < 7 => {
                let asked = (below(3) as u32, 1 + 11 * longer * below(6) as u32, below(6), 1 + 9 * below(5) as u32);
                let (kind, len, sampling, reply) = asked;
                let generation = Generation::with_tokens(&mut shared, text(kind, len), options(sampling, reply));
                guests.push(Guest { generation: generation.expect("a generation"), asked });
            }
            2 if !guests.is_empty() && below(3) == 0 => {
                let mut guest = guests.swap_remove(below(guests.len() as u64) as usize);
                // Half of them say that they go.
                if below(2) == 0 {
                    guest.generation.cancel();
                    let end = block_on(guest.generation.next(&mut shared)).expect("an end");
                    assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })));
                }
                compare(backend, &guest.generation, known.entry(guest.asked).or_insert_with(|| by_itself(guest.asked)));
                cut += 1;
            }
            _ if !guests.is_empty() => {
                // Whoever is asked, in whatever order.
                let at = below(guests.len() as u64) as usize;
                let step = block_on(guests[at].generation.next(&mut shared)).expect("a step");
                waited += u32::from(matches!(step, Some(Step::Waiting)));
                if matches!(step, Some(Step::End { .. })) {
                    let Guest { generation, asked } = guests.swap_remove(at);
                    let before = known.entry(asked).or_insert_with(|| by_itself(asked));
                    assert_eq!(generation.tokens.len(), before.tokens.len());
                    compare(backend, &generation, before);
                    whole += 1;
                }
            }
            _ => {}
        }
        most = most.max(guests.len());
        let blocks: Vec<u32> = shared.model.kv().sequences().iter().flat_map(|s| s.blocks.iter().copied()).collect();
        gone += usize::from(shared.model.kv().sequences().iter().any(|s| s.near.contains(&GONE)));
        lent += usize::from(blocks.iter().collect::<HashSet<_>>().len() < blocks.len());
    }
    assert!(
        whole > steps / 60 / longer as usize && cut > steps / 125 && most == 7 && waited > 10,
        "{whole} {cut} {most} {waited}"
    );
    assert!(near.is_none() || gone > steps / 4, "{gone} steps with blocks behind a window gone");
    let store = shared.model.kv();
    assert!(store.evictions > 10 / u64::from(longer), "{} went", store.evictions);
    // With states a copy starts only where one is kept.
    assert!(store.states.are_there() || lent > steps / 50, "{lent} steps shared blocks");
}

fn each_has_a_token_of_every_round(backend: Backend) {
    let mut shared = engine(backend, 256);
    let mut all: Vec<Generation> = (0..5)
        .map(|i| Generation::with_tokens(&mut shared, text(i, 3 + i), greedy(20)).expect("a generation"))
        .collect();
    let mut late = None;
    for round in 0..40usize {
        for generation in &mut all {
            block_on(generation.next(&mut shared)).expect("a step");
        }
        let written: Vec<usize> = all.iter().map(|one| one.tokens.len()).collect();
        if let Some(behind) = round.checked_sub(8) {
            // A long prompt is read beside them, and nobody stands still meanwhile.
            let late = late.get_or_insert_with(|| {
                Generation::with_tokens(&mut shared, text(9, 120), greedy(3)).expect("a generation")
            });
            block_on(late.next(&mut shared)).expect("a step");
            assert!(written.iter().all(|&tokens| tokens >= behind.min(20)), "round {round}: {written:?}");
        }
    }
    let mut late = late.expect("it came");
    finish(&mut shared, &mut late);
    let mut alone = engine(backend, 256);
    assert_eq!(late.tokens, run(&mut alone, &text(9, 120), greedy(3)).tokens);
    for (i, one) in (0..).zip(&all) {
        assert_eq!(one.tokens, run(&mut alone, &text(i, 3 + i), greedy(20)).tokens);
    }
}

/// Beside replies that may wait, a prompt has all rows that they leave.
fn replies_that_may_wait_leave_a_prompt_whole_chunks(backend: Backend) {
    let mut engine = engine(backend, 256);
    let patient = |most| GenerateOptions { schedule: Schedule::Throughput, ..greedy(most) };
    let mut reply = Generation::with_tokens(&mut engine, text(1, 8), patient(40)).expect("one");
    while reply.tokens.is_empty() {
        block_on(reply.next(&mut engine)).expect("a step");
    }
    let mut prompt = Generation::with_tokens(&mut engine, text(2, 60), patient(4)).expect("one");
    let before = reply.tokens.len();
    while prompt.tokens.is_empty() {
        block_on(reply.next(&mut engine)).expect("a step");
        block_on(prompt.next(&mut engine)).expect("a step");
    }
    // Of 16 rows the reply has one, so that 60 take four passes; it has a token of each.
    let passes = reply.tokens.len() - before;
    assert!((4..=6).contains(&passes), "{passes} passes");
    for reply in [&mut reply, &mut prompt] {
        finish(&mut engine, reply);
    }
    assert_eq!(prompt.tokens, run(&mut engine, &text(2, 60), greedy(4)).tokens);
}

/// Of a lower number first, whenever it came; of the same as they came. A pass reads 16 tokens, and the cells are those of
/// three.
fn prompts_are_read_by_their_priority(backend: Backend) {
    for cells in [256, 96] {
        let mut engine = engine(backend, cells);
        let of = |priority| GenerateOptions { priority, ..greedy(4) };
        let mut first = Generation::with_tokens(&mut engine, text(9, 20), of(0)).expect("one");
        while first.tokens.is_empty() {
            block_on(first.next(&mut engine)).expect("a step");
        }
        let priorities = [5, 0, 0, -3, 5, -3];
        let begin =
            |(kind, &priority)| Generation::with_tokens(&mut engine, text(kind, 30), of(priority)).expect("one");
        let mut all: Vec<Generation> = (0..).zip(&priorities).map(begin).collect();
        let (mut order, mut going) = (Vec::new(), true);
        while going {
            going = block_on(first.next(&mut engine)).expect("a step").is_some();
            for (at, one) in all.iter_mut().enumerate() {
                going |= block_on(one.next(&mut engine)).expect("a step").is_some();
                if !one.tokens.is_empty() && !order.contains(&at) {
                    order.push(at);
                }
            }
        }
        assert_eq!(order, [3, 5, 1, 2, 0, 4], "{cells} cells");
        for (kind, one) in (0..).zip(&all) {
            assert_eq!(one.tokens, run(&mut engine, &text(kind, 30), greedy(4)).tokens);
        }
    }
}

/// It need not wait for a long prompt that is being read: a pass reads 16 tokens.
fn an_urgent_prompt_passes_one_that_is_being_read(backend: Backend) {
    for (priority, passes) in [(-1, true), (0, false)] {
        let mut engine = engine(backend, 256);
        let mut long = Generation::with_tokens(&mut engine, text(1, 90), greedy(4)).expect("one");
        block_on(long.next(&mut engine)).expect("a step");
        let urgent = GenerateOptions { priority, ..greedy(4) };
        let mut urgent = Generation::with_tokens(&mut engine, text(2, 10), urgent).expect("one");
        while urgent.tokens.is_empty() {
            block_on(long.next(&mut engine)).expect("a step");
            block_on(urgent.next(&mut engine)).expect("a step");
        }
        assert_eq!(long.tokens.is_empty(), passes, "priority {priority}");
        finish(&mut engine, &mut urgent);
        finish(&mut engine, &mut long);
        for (kind, count, one) in [(1, 90, &long), (2, 10, &urgent)] {
            assert_eq!(one.tokens, run(&mut engine, &text(kind, count), greedy(4)).tokens);
        }
    }
}

/// Who has the lower priority, and came first.
fn where_cells_run_out_the_least_urgent_go_back(backend: Backend) {
    let mut engine = engine(backend, 96);
    let of = |priority| GenerateOptions { priority, ..greedy(60) };
    let mut patient = Generation::with_tokens(&mut engine, text(1, 20), of(1)).expect("one");
    while patient.tokens.is_empty() {
        block_on(patient.next(&mut engine)).expect("a step");
    }
    let mut urgent = Generation::with_tokens(&mut engine, text(2, 20), of(0)).expect("one");
    while block_on(urgent.next(&mut engine)).expect("a step").is_some() {
        block_on(patient.next(&mut engine)).expect("a step");
        assert!(urgent.tokens.is_empty() || urgent.sequence().is_some());
    }
    assert!(patient.tokens.len() < 60 && urgent.tokens.len() == 60);
    finish(&mut engine, &mut patient);
    for (kind, one) in [(1, &patient), (2, &urgent)] {
        assert_eq!(one.tokens, run(&mut engine, &text(kind, 20), greedy(60)).tokens);
    }
}

fn where_cells_run_out_all_come_to_their_end(backend: Backend) {
    // Each takes most of the cache by itself.
    let (mut shared, mut alone) = (engine(backend, 96), engine(backend, 96));
    let kept = |most| GenerateOptions { fresh: false, ..greedy(most) };
    let mut all: Vec<Generation> = (0..4)
        .map(|i| Generation::with_tokens(&mut shared, text(i, 20 + i), kept(60)).expect("a generation"))
        .collect();
    let mut going = true;
    while going {
        going = false;
        for generation in &mut all {
            going |= block_on(generation.next(&mut shared)).expect("a step").is_some();
        }
    }
    for (i, one) in (0..).zip(&all) {
        assert_eq!(one.tokens, run(&mut alone, &text(i, 20 + i), greedy(60)).tokens, "request {i}");
    }
}

fn one_that_nobody_reads_gives_up_its_cells(backend: Backend) {
    let (mut shared, mut alone) = (engine(backend, 96), engine(backend, 96));
    let mut first = Generation::with_tokens(&mut shared, text(1, 60), greedy(30)).expect("a generation");
    while first.tokens.len() < 5 {
        block_on(first.next(&mut shared)).expect("a step");
    }
    let mut second = Generation::with_tokens(&mut shared, text(2, 70), greedy(20)).expect("a generation");
    finish(&mut shared, &mut second);
    assert_eq!(second.tokens, run(&mut alone, &text(2, 70), greedy(20)).tokens);
    finish(&mut shared, &mut first);
    assert_eq!(first.tokens, run(&mut alone, &text(1, 60), greedy(30)).tokens);
}

fn a_start_in_common_is_read_once(backend: Backend) {
    let mut shared = engine(backend, 256);
    let kept = GenerateOptions { fresh: false, ..greedy(6) };
    let mut all: Vec<Generation> = (0..3)
        .map(|_| Generation::with_tokens(&mut shared, text(1, 40), kept.clone()).expect("a generation"))
        .collect();
    for _ in 0..60 {
        for generation in &mut all {
            block_on(generation.next(&mut shared)).expect("a step");
        }
    }
    let cached: Vec<usize> = all.iter().map(|one| one.timings.cached_tokens).collect();
    // All but the end, which is not waited for.
    assert!(cached[0] == 0 && cached[1..].iter().all(|&tokens| tokens >= 24), "{cached:?}");
    assert!(all.iter().all(|one| one.tokens == all[0].tokens && one.tokens.len() == 6));
}

/// The token after its prompt is chosen already, but it was not asked since, when it loses its cells.
fn one_that_was_never_asked_gives_up_its_cells_and_goes_on(backend: Backend) {
    let (mut shared, mut alone) = (engine(backend, 96), engine(backend, 96));
    let mut all: Vec<Generation> =
        (0..3).map(|i| Generation::with_tokens(&mut shared, text(i, 30), greedy(32)).expect("a generation")).collect();
    block_on(all[0].next(&mut shared)).expect("a step");
    let had: Vec<bool> = (0..200)
        .map(|_| {
            block_on(all[2].next(&mut shared)).expect("a step");
            all[1].sequence().is_some()
        })
        .take_while(|has| *has)
        .collect();
    assert!(!had.is_empty() && all[1].sequence().is_none());
    for _ in 0..400 {
        for generation in &mut all {
            block_on(generation.next(&mut shared)).expect("a step");
        }
    }
    for (i, one) in (0..).zip(&all) {
        assert_eq!(one.tokens, run(&mut alone, &text(i, 30), greedy(32)).tokens, "request {i}");
    }
}

on_both_backends!(
    whoever_comes_and_goes_each_writes_what_it_would_alone,
    each_has_a_token_of_every_round,
    replies_that_may_wait_leave_a_prompt_whole_chunks,
    where_cells_run_out_all_come_to_their_end,
    prompts_are_read_by_their_priority,
    an_urgent_prompt_passes_one_that_is_being_read,
    where_cells_run_out_the_least_urgent_go_back,
    one_that_nobody_reads_gives_up_its_cells,
    one_that_was_never_asked_gives_up_its_cells_and_goes_on,
    a_start_in_common_is_read_once,
);
