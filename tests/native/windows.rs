//! Layers that look back over a window keep their window only: what is computed is what it would be if they kept all.

use crate::common::run::{compute, load, on_both_backends};
use crate::generation::{greedy, run};
use crate::outgrow::side_by_side;
use crate::saved::{restore, save};
use crate::states::text;
use crate::together::come_and_go_in;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::memory::Named;
use sotto::kernels::cell::BLOCK;
use sotto::model::store::GONE;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::GenerateOptions;
use sotto::run::speculate::Speculate;
use tiny_models::{self as tiny, archs};

/// Positions of a context; a window is of eight.
const CONTEXT: u32 = 512;
/// Cells of all layers, of which those with a window have fewer.
const CELLS: u32 = 1152;

fn file(name: &str) -> Vec<u8> {
    tiny::build(name).or_else(|| archs::build(name)).expect("a tiny model")
}

fn options(backend: Backend, cells: u32) -> LoadOptions {
    LoadOptions {
        backend,
        context: Some(CONTEXT),
        cache_tokens: Some(cells),
        max_rows: Some(16),
        depth: Some(if backend == Backend::Cpu { 1 } else { 3 }),
        kv: KvType::F32,
        ..Default::default()
    }
}

/// An engine whose layers with a window have as few cells as can be.
fn tight(backend: Backend, name: &str) -> Engine {
    let mut engine = load(&file(name), options(backend, CELLS)).expect("a model");
    engine.model.kv_mut().limit_near(0);
    engine
}

/// One whose layers all have a context's cells.
fn wide(backend: Backend, name: &str) -> Engine {
    let engine = load(&file(name), options(backend, CONTEXT)).expect("a model");
    assert_eq!(engine.model.kv().near_cells(), None);
    engine
}

fn kept(most: u32) -> GenerateOptions {
    GenerateOptions { fresh: false, ..greedy(most) }
}

/// Blocks of layers with a window that are in use, counted in what sequences say.
fn in_use(engine: &Engine) -> usize {
    let near = engine.model.kv().sequences().iter().flat_map(|sequence| sequence.near.iter());
    near.filter(|block| **block != GONE).collect::<std::collections::HashSet<_>>().len()
}

fn a_text_of_many_windows_is_computed_as_it_was(backend: Backend) {
    let text = text(3, CONTEXT);
    for name in ["gemma3-f32", "gemma2", "gpt-oss", "gemma4", "exaone4/window", "cohere2"] {
        let (mut tight, mut wide) = (tight(backend, name), wide(backend, name));
        let logits = [&mut tight, &mut wide].map(|engine| {
            let sequence = engine.open(CONTEXT).expect("cells");
            let (prompt, reply) = text.split_at(450);
            let mut logits = compute(engine, prompt, sequence, 0, 16, true);
            logits.extend(compute(engine, reply, sequence, 450, 1, false));
            logits
        });
        assert!(logits[0] == logits[1], "{name}");
        assert!(in_use(&tight) <= 9, "{name}: {} blocks", in_use(&tight));
    }
}

/// It is memory that is spared, as much as a context's length says.
fn layers_with_a_window_have_buffers_of_their_size(backend: Backend) {
    for (cells, near) in [(CONTEXT, CONTEXT), (CELLS, 544), (2 * CELLS, 544), (8 * CONTEXT, 1056)] {
        let engine = load(&file("gemma3-f32"), options(backend, cells)).expect("a model");
        let store = engine.model.kv();
        let sizes: Vec<u32> = (0..store.layers.len()).map(|layer| store.cells_of(layer)).collect();
        // Every sixth layer looks at all.
        assert_eq!(sizes, [near, near, near, near, near, cells, near]);
        for (&(keys, values), all) in store.layers.iter().zip(sizes) {
            for (buffer, each) in store.buffers().filter(|(buffer, _)| [keys, values].contains(buffer)) {
                assert_eq!(engine.device.buffer_bytes(buffer), u64::from(all) * each);
            }
        }
    }
}

fn whoever_comes_and_goes_on_windows(backend: Backend) {
    come_and_go_in(backend, &file("gemma3-f32"), None, Some(0));
}

/// A conversation much longer than a window goes on where it ended, and its blocks do not grow with it.
fn turns_go_on_with_what_was_read(backend: Backend) {
    let (mut tight, mut wide) = (tight(backend, "gemma3-f32"), wide(backend, "gemma3-f32"));
    let mut conversation = text(1, 20);
    let mut most = 0;
    for turn in 0..11 {
        conversation.extend(text(turn, 9));
        let reply = run(&mut tight, &conversation, kept(30));
        assert_eq!(reply.tokens, run(&mut wide, &conversation, greedy(30)).tokens, "turn {turn}");
        // The last token of a reply is not fed back.
        assert!(turn == 0 || reply.cached == conversation.len() - 10, "turn {turn}: {}", reply.cached);
        // The same prompt once more goes on before its last token.
        let again = run(&mut tight, &conversation, kept(3));
        assert_eq!((again.cached, &again.tokens[..]), (conversation.len() - 1, &reply.tokens[..3]), "turn {turn}");
        let reply = run(&mut tight, &conversation, kept(30));
        most = most.max(in_use(&tight));
        conversation.extend(reply.tokens);
    }
    assert!(conversation.len() > 420 && most <= 9, "{} tokens, {most} blocks", conversation.len());
}

/// More at once than their windows have cells for, of which many begin alike.
fn many_at_once_are_as_each_alone(backend: Backend) {
    let (mut tight, mut wide) = (tight(backend, "gemma3-f32"), wide(backend, "gemma3-f32"));
    let begins = text(2, 130);
    for round in 0..3_u32 {
        let prompt = |i: u32| {
            let shared = if i.is_multiple_of(3) { 0 } else { (i as usize * 37 + round as usize * 11) % 130 };
            [&begins[..shared], &text(50 + 16 * round + i, 5 + i * 7 % 40)].concat()
        };
        let all: Vec<_> = (0..16).map(|i| (prompt(i), kept(8 + i * 5 % 40))).collect();
        for (reply, (prompt, options)) in side_by_side(&mut tight, &all).iter().zip(all) {
            assert_eq!(reply.tokens, run(&mut wide, &prompt, greedy(options.max_tokens.expect("a limit"))).tokens);
        }
    }
}

/// Texts that begin alike, others between them: what is not there any more is read again.
fn forks_and_returns_go_as_far_back_as_there_are_cells(backend: Backend) {
    let (mut tight, mut wide) = (tight(backend, "gemma3-f32"), wide(backend, "gemma3-f32"));
    let (whole, mut hits, mut misses) = (text(2, 400), 0, 0);
    for (i, shared) in [400, 380, 97, 200, 399, 33, 350, 64, 7, 391, 256, 300].into_iter().enumerate() {
        let prompt = [&whole[..shared], &text(50 + i as u32, 40 + i as u32)].concat();
        let reply = run(&mut tight, &prompt, kept(12));
        assert_eq!(reply.tokens, run(&mut wide, &prompt, greedy(12)).tokens, "{shared} alike");
        hits += usize::from(reply.cached >= shared.min(32));
        misses += usize::from(reply.cached < shared);
    }
    assert!(hits > 0 && misses > 0, "{hits} {misses}");
}

/// Where there is room nothing goes, so a text goes back to any of its tokens.
fn where_there_is_room_all_stays(backend: Backend) {
    let mut engine = load(&file("gemma3-f32"), options(backend, CELLS)).expect("a model");
    let whole = text(2, 300);
    run(&mut engine, &whole, kept(2));
    for shared in [250, 131, 40] {
        let prompt = [&whole[..shared], &text(60, 9)].concat();
        assert!(run(&mut engine, &prompt, kept(2)).cached >= shared);
    }
}

fn what_is_saved_goes_on_behind_its_window(backend: Backend) {
    let mut engine = tight(backend, "gemma3-f32");
    run(&mut engine, &text(9, 70), kept(2));
    let prompt = text(4, 390);
    let text = [&prompt[..], &run(&mut engine, &prompt, kept(20)).tokens].concat();
    let bytes = save(&engine, &text).concat();
    let next = [&text[..], &[11, 12]].concat();
    let want = run(&mut wide(backend, "gemma3-f32"), &next, greedy(20)).tokens;
    assert_eq!(run(&mut engine, &next, kept(20)).tokens, want);
    let mut other = tight(backend, "gemma3-f32");
    assert_eq!(restore(&mut other, &bytes, 1000), Ok(text.len() - 1));
    let reply = run(&mut other, &next, kept(20));
    assert_eq!((reply.cached, reply.tokens), (text.len() - 1, want.clone()));
    // It is less than all of it, and no layout that wants more takes it.
    let mut whole = wide(backend, "gemma3-f32");
    run(&mut whole, &text, kept(1));
    let all = save(&whole, &text).concat();
    assert!(2 * bytes.len() < all.len(), "{} bytes of {}", bytes.len(), all.len());
    assert_eq!(restore(&mut whole, &bytes, 1000).expect_err("another layout").code, Code::StaleSession);
    assert_eq!(restore(&mut other, &all, 1000).expect_err("another layout").code, Code::StaleSession);
    assert_eq!(run(&mut other, &next, kept(20)).tokens, want);
}

fn guesses_are_right_behind_a_window(backend: Backend) {
    let (mut tight, mut wide) = (tight(backend, "gemma3-f32"), wide(backend, "gemma3-f32"));
    // It repeats itself, so that there is something to guess.
    let prompt = [text(1, 60), text(1, 60), text(1, 60)].concat();
    let guessing = GenerateOptions { speculate: Speculate::Most(8), ..kept(120) };
    let plain = GenerateOptions { speculate: Speculate::OFF, ..greedy(120) };
    assert_eq!(run(&mut tight, &prompt, guessing).tokens, run(&mut wide, &prompt, plain).tokens);
    assert!(in_use(&tight) * BLOCK as usize <= 9 * 32);
}

on_both_backends!(
    a_text_of_many_windows_is_computed_as_it_was,
    layers_with_a_window_have_buffers_of_their_size,
    whoever_comes_and_goes_on_windows,
    turns_go_on_with_what_was_read,
    many_at_once_are_as_each_alone,
    forks_and_returns_go_as_far_back_as_there_are_cells,
    where_there_is_room_all_stays,
    what_is_saved_goes_on_behind_its_window,
    guesses_are_right_behind_a_window,
);
