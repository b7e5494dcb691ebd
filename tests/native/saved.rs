//! Texts that are saved by one engine and go on in another.

use crate::common::run::{load, on_both_backends};
use crate::generation::{engine, greedy, prompt, run};
use crate::states;
use pollster::block_on;
use sotto::base::error::{Code, Result};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::saved::{Restorer, Saver};
use sotto::run::session::{GenerateOptions, Generation};
use tiny_models as tiny;

fn kept(max_tokens: u32) -> GenerateOptions {
    GenerateOptions { fresh: false, ..greedy(max_tokens) }
}

/// The pieces that a text is saved in.
pub fn save(engine: &Engine, text: &[u32]) -> Vec<Vec<u8>> {
    let mut saver = Saver::new(engine, text).expect("some of it is there");
    std::iter::from_fn(|| block_on(saver.next(engine)).expect("a piece")).collect()
}

/// Pushes bytes in pieces of `size`; the tokens that are there then.
pub fn restore(engine: &mut Engine, bytes: &[u8], size: usize) -> Result<usize> {
    let mut restorer = Restorer::default();
    let pushed = bytes.chunks(size).try_for_each(|piece| block_on(restorer.push(piece, engine)));
    let restored = pushed.and_then(|()| block_on(restorer.finish(engine)));
    if restored.is_err() {
        restorer.drop_from(engine);
    }
    restored
}

/// A text and its reply, computed by one engine: what is saved of it, the text, and how it goes on.
fn told(backend: Backend) -> (Vec<u8>, Vec<u32>, Vec<u32>) {
    let mut engine = engine(backend, 128);
    // It does not lie at the first cells.
    run(&mut engine, &[40; 20], kept(2));
    let text = [prompt(), run(&mut engine, &prompt(), kept(30)).tokens].concat();
    let bytes = save(&engine, &text).concat();
    let next = [&text[..], &[11, 12]].concat();
    let goes_on = run(&mut engine, &next, kept(20)).tokens;
    (bytes, next, goes_on)
}

fn a_saved_text_goes_on_as_it_would_have(backend: Backend) {
    let (bytes, next, goes_on) = told(backend);
    // The reply's last token was not fed back.
    let there = next.len() - 3;
    for size in [1000, 77, bytes.len()] {
        let mut engine = engine(backend, 192);
        run(&mut engine, &[50; 33], kept(1));
        assert_eq!(restore(&mut engine, &bytes, size), Ok(there));
        let reply = run(&mut engine, &next, kept(20));
        assert_eq!((reply.cached, reply.tokens), (there, goes_on.clone()));
        // What was there before is there still, and it is saved as it was.
        assert_eq!(run(&mut engine, &[50; 33], kept(1)).cached, 32);
        assert_eq!(save(&engine, &next[..there]).concat(), bytes);
    }
    // Others' cells are taken where there are no others.
    let mut full = engine(backend, 128);
    run(&mut full, &[50; 120], kept(1));
    assert_eq!(restore(&mut full, &bytes, 4096), Ok(there));
    assert_eq!(run(&mut full, &next, kept(20)).tokens, goes_on);
}

fn what_is_not_as_it_was_written_is_refused(backend: Backend) {
    let (bytes, next, goes_on) = told(backend);
    let mut engine = engine(backend, 128);
    let step = bytes.len() / 97;
    for at in (0..bytes.len()).step_by(step).chain(bytes.len() - 8..bytes.len()) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        let error = restore(&mut engine, &wrong, 5000).expect_err("it is damaged");
        assert_eq!(error.code, Code::DamagedSession, "byte {at}");
        let cut = restore(&mut engine, &bytes[..at], 5000).expect_err("it is cut");
        assert_eq!(cut.code, Code::DamagedSession, "{at} bytes");
    }
    let more = restore(&mut engine, &[&bytes[..], &[0]].concat(), 5000).expect_err("it is longer");
    assert_eq!(more.code, Code::DamagedSession);
    assert!(engine.model.kv().sequences().is_empty());
    let reply = run(&mut engine, &next, kept(20));
    assert_eq!((reply.cached, reply.tokens), (0, goes_on));
}

fn what_another_engine_wrote_is_refused(backend: Backend) {
    let (bytes, ..) = told(backend);
    let options =
        LoadOptions { backend, context: Some(128), max_rows: Some(16), kv: KvType::F32, ..Default::default() };
    let others = [
        ("llama-q8_0", options.clone(), "another model"),
        ("llama-f32", LoadOptions { kv: KvType::F16, ..options.clone() }, "another kvType"),
        ("llama-f32", LoadOptions { fast: true, ..options.clone() }, "precision"),
        ("llama-f32", LoadOptions { context: Some(32), ..options }, "longer contextLength"),
    ];
    for (model, options, why) in others {
        let mut engine = load(&tiny::build(model).expect("a tiny model"), options).expect("a model");
        let error = restore(&mut engine, &bytes, 4096).expect_err(why);
        assert!(error.code == Code::StaleSession && error.message.contains(why), "{error}");
        assert!(engine.model.kv().sequences().is_empty());
    }
}

/// A text of a model with states and its reply: as [`told`].
fn told_with_states(backend: Backend, name: &str) -> (Vec<u8>, Vec<u32>, Vec<u32>) {
    let mut engine = states::engine(backend, name, 128, 16);
    run(&mut engine, &[40; 20], kept(2));
    let prompt = states::text(3, 40);
    let text = [&prompt[..], &run(&mut engine, &prompt, kept(20)).tokens].concat();
    let bytes = save(&engine, &text).concat();
    let next = [&text[..], &[11, 12]].concat();
    let goes_on = run(&mut engine, &next, kept(20)).tokens;
    (bytes, next, goes_on)
}

fn states_are_saved_too(backend: Backend) {
    for name in states::NAMES {
        let (bytes, next, goes_on) = told_with_states(backend, name);
        let there = next.len() - 3;
        for size in [1000, 77, bytes.len()] {
            let mut engine = states::engine(backend, name, 128, 16);
            run(&mut engine, &[50; 33], kept(1));
            assert_eq!(restore(&mut engine, &bytes, size), Ok(there), "{name}");
            let reply = run(&mut engine, &next, kept(20));
            assert_eq!((reply.cached, &reply.tokens), (there, &goes_on), "{name}");
            assert_eq!(save(&engine, &next[..there]).concat(), bytes, "{name}");
        }
        // A part of it is saved as far as a state of it is kept, and all that is saved goes on.
        let mut engine = states::engine(backend, name, 128, 16);
        assert_eq!(restore(&mut engine, &bytes, 4096), Ok(there));
        assert!(Saver::new(&engine, &next[..there - 1]).is_none(), "{name}");
    }
}

fn damaged_and_foreign_states_are_refused(backend: Backend) {
    let (bytes, next, goes_on) = told_with_states(backend, "lfm2");
    let mut engine = states::engine(backend, "lfm2", 128, 16);
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        for bytes in [&wrong[..], &bytes[..at]] {
            let error = restore(&mut engine, bytes, 5000).expect_err("it is damaged");
            assert_eq!(error.code, Code::DamagedSession, "byte {at}");
        }
    }
    assert!(engine.model.kv().sequences().is_empty());
    let reply = run(&mut engine, &next, kept(20));
    assert_eq!((reply.cached, reply.tokens), (0, goes_on));
    let mut other = states::engine(backend, "mamba2/slim", 128, 16);
    let error = restore(&mut other, &bytes, 4096).expect_err("another model's");
    assert!(error.code == Code::StaleSession && error.message.contains("another model"), "{error}");
}

/// Between the tokens of a reply, which is as it would have been.
fn replies_go_on_beside_what_is_saved_and_restored(backend: Backend) {
    let (bytes, next, goes_on) = told(backend);
    let mut engine = engine(backend, 256);
    let alone = run(&mut engine, &[50; 33], kept(60)).tokens;
    let mut reply = Generation::with_tokens(&mut engine, vec![50; 33], greedy(60)).expect("a reply");
    let step = |engine: &mut Engine, reply: &mut Generation| drop(block_on(reply.next(engine)).expect("a step"));
    while reply.tokens.len() < 3 {
        step(&mut engine, &mut reply);
    }
    let mut restorer = Restorer::default();
    for piece in bytes.chunks(bytes.len() / 9) {
        block_on(restorer.push(piece, &mut engine)).expect("room");
        step(&mut engine, &mut reply);
    }
    assert_eq!(block_on(restorer.finish(&mut engine)), Ok(next.len() - 3));
    let mut saver = Saver::new(&engine, &next).expect("it is there");
    let mut again = Vec::new();
    while let Some(piece) = block_on(saver.next(&engine)).expect("a piece") {
        again.extend(piece);
        step(&mut engine, &mut reply);
    }
    assert_eq!(again, bytes);
    // A text that is being written is saved as far as it was.
    let so_far = [&[50; 33][..], &reply.tokens[..2]].concat();
    let mut saver = Saver::new(&engine, &so_far).expect("it is there");
    assert_eq!(saver.tokens(), so_far.len());
    while block_on(saver.next(&engine)).expect("a piece").is_some() {
        step(&mut engine, &mut reply);
    }
    while block_on(reply.next(&mut engine)).expect("a step").is_some() {}
    assert_eq!(reply.tokens, alone);
    let third = run(&mut engine, &next, kept(20));
    assert_eq!((third.cached, third.tokens), (next.len() - 3, goes_on));
}

/// What needs the cells of replies under way waits for their end.
fn replies_under_way_keep_their_cells(backend: Backend) {
    let (bytes, next, _) = told(backend);
    let mut engine = engine(backend, 96);
    let mut reply = Generation::with_tokens(&mut engine, vec![50; 33], greedy(50)).expect("a reply");
    while reply.tokens.len() < 3 {
        block_on(reply.next(&mut engine)).expect("a step");
    }
    assert_eq!(restore(&mut engine, &bytes, 4096).map_err(|error| error.code), Err(Code::Disposed));
    while block_on(reply.next(&mut engine)).expect("a step").is_some() {}
    assert_eq!((reply.tokens.len(), restore(&mut engine, &bytes, 4096)), (50, Ok(next.len() - 3)));
}

/// Nothing is written of cells that are another text's by now.
fn what_made_room_for_others_while_it_was_saved_is_told(backend: Backend) {
    let mut engine = engine(backend, 96);
    let text = [10, 11, 12, 13, 14, 15, 16, 17];
    run(&mut engine, &text, kept(1));
    let mut saver = Saver::new(&engine, &text).expect("it is there");
    block_on(saver.next(&engine)).expect("its head");
    let id = engine.model.kv().sequences()[0].id;
    engine.model.kv_mut().rewind(id, 4);
    engine.model.kv_mut().push(id, &[20, 21, 22, 23]);
    assert_eq!(block_on(saver.next(&engine)).map_err(|error| error.code), Err(Code::Disposed));
}

on_both_backends!(
    replies_go_on_beside_what_is_saved_and_restored,
    replies_under_way_keep_their_cells,
    what_made_room_for_others_while_it_was_saved_is_told,
    states_are_saved_too,
    damaged_and_foreign_states_are_refused,
    a_saved_text_goes_on_as_it_would_have,
    what_is_not_as_it_was_written_is_refused,
    what_another_engine_wrote_is_refused,
);

#[test]
fn of_a_text_that_is_not_there_nothing_is_saved() {
    let mut engine = engine(Backend::Cpu, 128);
    assert!(Saver::new(&engine, &prompt()).is_none());
    run(&mut engine, &prompt(), kept(1));
    assert!(Saver::new(&engine, &[9, 9]).is_none());
}

/// The arithmetic is another, the cells are the same: one backend goes on with what the other has read.
#[test]
fn backends_take_each_others_texts() {
    for [from, to] in [[Backend::Cpu, Backend::Webgpu], [Backend::Webgpu, Backend::Cpu]] {
        let (bytes, next, goes_on) = told(from);
        let mut engine = engine(to, 128);
        assert_eq!(restore(&mut engine, &bytes, 4096), Ok(next.len() - 3));
        assert_eq!(run(&mut engine, &next, kept(20)).tokens, goes_on);
        let (bytes, next, goes_on) = told_with_states(from, "falcon-h1");
        let mut engine = states::engine(to, "falcon-h1", 128, 16);
        assert_eq!(restore(&mut engine, &bytes, 4096), Ok(next.len() - 3));
        assert_eq!(run(&mut engine, &next, kept(20)).tokens, goes_on);
    }
}
