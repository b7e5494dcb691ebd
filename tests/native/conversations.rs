//! Several conversations on one model: each keeps what was computed of it, as long as there are cells for all.

use crate::common::run::{load, on_both_backends};
use crate::generation::{Run, deep_engine, engine, greedy, run};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::memory::Memory;
use sotto::eval::{self, BenchOptions};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};
use tiny_models as tiny;

/// Greedy, and with what is there already.
fn kept(max_tokens: u32) -> GenerateOptions {
    GenerateOptions { fresh: false, ..greedy(max_tokens) }
}

/// Tokens of a text that no other starts as.
fn text(first: u32, len: u32) -> Vec<u32> {
    (0..len).map(|i| 10 + (first + 7 * i) % 80).collect()
}

/// A user and a model that write in turns.
struct Conversation {
    engine: Engine,
    tokens: Vec<u32>,
    /// Tokens whose keys and values should be there.
    computed: usize,
}

impl Conversation {
    /// On an engine of its own, which says what is right.
    fn new(backend: Backend, start: Vec<u32>) -> Self {
        Conversation { engine: engine(backend, 256), tokens: start, computed: 0 }
    }

    /// One more message, and its reply on the shared engine: it computes the new tokens, writes what it would by itself.
    #[track_caller]
    fn go_on(&mut self, shared: &mut Engine, reply: u32) {
        let prompt = [&self.tokens[..], &text(self.tokens.len() as u32, 6)].concat();
        let Run { tokens, cached, prefills, .. } = run(shared, &prompt, kept(reply));
        assert_eq!(cached, self.computed);
        assert_eq!(prefills.last(), Some(&prompt.len()));
        assert_eq!(tokens, run(&mut self.engine, &prompt, greedy(reply)).tokens);
        // The reply's last token was not fed back.
        self.computed = prompt.len() + tokens.len() - 1;
        self.tokens = [prompt, tokens].concat();
    }
}

fn two_that_alternate_each_keep_their_prefix(backend: Backend) {
    let mut shared = engine(backend, 256);
    let mut both = [text(1, 20), text(2, 30)].map(|start| Conversation::new(backend, start));
    for reply in [8, 3, 9, 5] {
        both.iter_mut().for_each(|one| one.go_on(&mut shared, reply));
    }
}

fn a_start_in_common_is_lent_and_stays_each_ones_own(backend: Backend) {
    let mut shared = engine(backend, 256);
    let system = text(5, 24);
    let mut three = [1, 2, 3].map(|first| Conversation::new(backend, [&system[..], &text(first, 4)].concat()));
    for round in 0..3 {
        for (index, one) in three.iter_mut().enumerate() {
            if round == 0 && index > 0 {
                one.computed = system.len();
            }
            one.go_on(&mut shared, 5);
        }
    }
}

fn a_reply_takes_blocks_as_it_is_written(backend: Backend) {
    for depth in if backend == Backend::Cpu { vec![1] } else { vec![1, 4] } {
        let mut shared = deep_engine(backend, "llama-f32", 128, depth);
        let mut alone = deep_engine(backend, "llama-f32", 128, depth);
        let (short, long) = (text(1, 20), text(2, 20));
        run(&mut shared, &short, kept(4));
        let mut generation = Generation::with_tokens(&mut shared, long.clone(), kept(70)).expect("a generation");
        let blocks = |engine: &Engine, generation: &Generation| {
            engine.model.kv().get(generation.sequence().expect("room")).expect("a sequence").blocks.clone()
        };
        let begins = blocks(&shared, &generation);
        let mut ends = begins.clone();
        while block_on(generation.next(&mut shared)).expect("a step").is_some() {
            if generation.tokens.len() < 70 {
                ends = blocks(&shared, &generation);
            }
        }
        assert!(begins == [1] && ends == [1, 2, 3], "from {begins:?} to {ends:?}");
        assert_eq!(generation.tokens, run(&mut alone, &long, greedy(70)).tokens);
        // The other was not touched by it.
        let next = [&short[..], &run(&mut alone, &short, greedy(4)).tokens, &[11]].concat();
        let again = run(&mut shared, &next, kept(5));
        assert_eq!((again.cached, again.tokens), (23, run(&mut alone, &next, greedy(5)).tokens));
    }
}

fn a_reply_that_wants_the_whole_context_gets_it(backend: Backend) {
    let (mut shared, mut alone) = (engine(backend, 96), engine(backend, 96));
    for first in [1, 2, 3] {
        run(&mut shared, &text(first, 25), kept(4));
    }
    let options = |fresh| GenerateOptions { max_tokens: None, fresh, ..greedy(0) };
    let whole = run(&mut shared, &text(9, 20), options(false));
    assert_eq!((whole.tokens.len(), whole.reason), (77, FinishReason::Length));
    assert_eq!(whole.tokens, run(&mut alone, &text(9, 20), options(true)).tokens);
    // And so does a prompt of that length.
    let prompt = text(4, 96);
    assert_eq!(run(&mut shared, &prompt, kept(1)).tokens, run(&mut alone, &prompt, greedy(1)).tokens);
}

fn the_one_used_longest_ago_goes_first(backend: Backend) {
    let mut shared = engine(backend, 192);
    let texts = [1, 2, 3].map(|first| text(first, 40));
    let cached = |engine: &mut Engine, i: usize| run(engine, &texts[i], kept(1)).cached;
    assert_eq!([0, 1, 2, 0].map(|i| cached(&mut shared, i)), [0, 0, 0, 39]);
    // There are cells for three; a fourth takes those of the second.
    run(&mut shared, &text(4, 40), kept(1));
    assert_eq!([0, 2, 1].map(|i| cached(&mut shared, i)), [39, 39, 0]);
}

fn a_larger_cache_keeps_more_than_one_context(backend: Backend) {
    let options = |cache_tokens| LoadOptions {
        backend,
        context: Some(64),
        cache_tokens,
        max_rows: Some(16),
        kv: KvType::F32,
        ..Default::default()
    };
    let file = tiny::build("llama-f32").expect("a tiny model");
    for (cache_tokens, kept_of_each) in [(None, [0, 0, 0]), (Some(192), [59, 59, 59])] {
        let mut engine = load(&file, options(cache_tokens)).expect("a model");
        let texts = [1, 2, 3].map(|first| text(first, 60));
        texts.iter().for_each(|text| drop(run(&mut engine, text, kept(2))));
        assert_eq!(texts.each_ref().map(|text| run(&mut engine, text, kept(2)).cached), kept_of_each);
        // A conversation is as long as before.
        let error = Generation::with_tokens(&mut engine, text(1, 65), kept(1)).err().expect("too long");
        assert_eq!(error.code, Code::PromptTooLong);
    }
}

/// In a random order: some turns find their text, some do not.
fn twelve_take_turns_in_a_cache_that_holds_eight(backend: Backend) {
    let options = |cells: u32| LoadOptions {
        backend,
        context: Some(64),
        cache_tokens: Some(cells),
        max_rows: Some(16),
        kv: KvType::F32,
        ..Default::default()
    };
    let file = tiny::build("llama-f32").expect("a tiny model");
    let (mut shared, mut alone) = (load(&file, options(8 * 36)).expect("one"), load(&file, options(64)).expect("one"));
    let mut conversations: Vec<Vec<u32>> = (0..12).map(|i| text(i * 5, 12)).collect();
    let (mut state, mut hits, mut bytes) = (7u32, 0, 0);
    for turn in 0..500 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let which = (state >> 16) as usize % conversations.len();
        let conversation = &mut conversations[which];
        if conversation.len() > 48 {
            *conversation = text(which as u32 * 5 + turn, 12);
        }
        conversation.extend(text(turn, 5));
        let reply = run(&mut shared, conversation, kept(6));
        assert_eq!(reply.tokens, run(&mut alone, conversation, greedy(6)).tokens, "turn {turn}");
        conversation.extend(&reply.tokens);
        hits += u32::from(reply.cached > 11);
        let store = shared.model.kv();
        assert!(store.sequences().len() <= 40 && store.free() < store.cells);
        // After the first turns every buffer is there.
        if turn == 50 {
            bytes = shared.device.bytes();
        }
    }
    let evictions = shared.model.kv().evictions;
    println!("{backend:?}: {hits} of 500 turns went on with what was there, {evictions} texts made room");
    assert!(hits > 150 && evictions > 50, "{hits} turns, {evictions} texts");
    assert_eq!(shared.device.bytes(), bytes);
}

fn measuring_and_scoring_leave_conversations_alone(backend: Backend) {
    let mut shared = engine(backend, 256);
    let mut one = Conversation::new(backend, text(1, 20));
    one.go_on(&mut shared, 5);
    let free = shared.model.kv().free();
    let score = block_on(eval::score(&mut shared, "the cat and the dog")).expect("a score");
    let profile = shared.device.check_timestamps().is_ok();
    let options = BenchOptions { prompt_tokens: vec![30, 20], gen_tokens: 4, runs: 2, profile };
    block_on(eval::bench(&mut shared, &options)).expect("a measurement");
    assert_eq!(shared.model.kv().free(), free);
    one.go_on(&mut shared, 5);
    assert_eq!(block_on(eval::score(&mut one.engine, "the cat and the dog")).expect("a score").top, score.top);
}

fn what_ends_one_badly_leaves_the_others(backend: Backend) {
    let mut shared = engine(backend, 256);
    let mut one = Conversation::new(backend, text(1, 20));
    one.go_on(&mut shared, 5);
    let prompt = text(2, 30);
    let start = |engine: &mut Engine| {
        let mut generation = Generation::with_tokens(engine, prompt.clone(), kept(8)).expect("a generation");
        while generation.tokens.len() < 2 {
            block_on(generation.next(engine)).expect("a step");
        }
        generation
    };
    // Its first key is no number: every later token looks at it.
    let mut generation = start(&mut shared);
    let first =
        u64::from(shared.model.kv().get(generation.sequence().expect("room")).expect("a sequence").blocks[0] * 32);
    let width = u64::from(shared.model.net.blocks[0].attention().expect("attention").kv_dim());
    let (keys, _) = shared.model.kv_buffers()[0];
    shared.device.write(keys, first * width * 4, bytemuck::cast_slice(&[f32::NAN; 4]));
    let error = loop {
        if let Err(error) = block_on(generation.next(&mut shared)) {
            break error;
        }
    };
    assert_eq!(error.code, Code::BadLogits);
    one.go_on(&mut shared, 5);
    // Of itself it left nothing.
    let again = run(&mut shared, &prompt, kept(8));
    assert_eq!((again.cached, again.tokens), (0, run(&mut one.engine, &prompt, greedy(8)).tokens));

    // One that is cancelled, and one that is dropped.
    let mut generation = start(&mut shared);
    generation.cancel();
    let end = block_on(generation.next(&mut shared)).expect("an end");
    assert!(matches!(end, Some(Step::End { reason: FinishReason::Abort, .. })));
    one.go_on(&mut shared, 5);
    drop(start(&mut shared));
    one.go_on(&mut shared, 5);
}

on_both_backends!(
    two_that_alternate_each_keep_their_prefix,
    a_start_in_common_is_lent_and_stays_each_ones_own,
    a_reply_takes_blocks_as_it_is_written,
    a_reply_that_wants_the_whole_context_gets_it,
    the_one_used_longest_ago_goes_first,
    a_larger_cache_keeps_more_than_one_context,
    twelve_take_turns_in_a_cache_that_holds_eight,
    measuring_and_scoring_leave_conversations_alone,
    what_ends_one_badly_leaves_the_others,
);
