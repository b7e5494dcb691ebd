//! Layers' own embeddings that stay in the file: what is read of it, and that nothing else changes.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::run::{decode, largest_difference, load, on_both_backends, prefill};
use crate::generation::{greedy, run};
use pollster::block_on;
use sotto::base::error::{Code, Error};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::rows::{Reread, Span};
use sotto::run::session::Generation;
use tiny_models::archs::ROWS;
use tiny_models::gguf::Gguf;

on_both_backends!(
    rows_from_the_file_give_what_a_table_on_the_device_gives,
    a_token_reads_its_own_row_and_the_table_takes_no_memory,
    a_file_that_cannot_be_read_any_more_is_told,
);

fn file() -> Gguf {
    ROWS.iter().find(|row| row.name == "gemma4").expect("a tiny model").assemble()
}

/// What was read of files.
pub type Log = Rc<RefCell<Vec<Span>>>;

/// Reads a file that is in memory.
pub fn reread(bytes: &[u8]) -> (Reread, Log) {
    reread_parts(vec![bytes.to_vec()])
}

/// Reads files that are in memory.
pub fn reread_parts(files: Vec<Vec<u8>>) -> (Reread, Log) {
    let log = Log::default();
    let noted = log.clone();
    let read = move |spans: Vec<Span>| {
        let piece = |s: &Span| &files[s.file][s.first as usize..(s.first + s.count) as usize];
        let all = spans.iter().flat_map(piece).copied().collect();
        noted.borrow_mut().extend(spans);
        let read: std::pin::Pin<Box<dyn Future<Output = _>>> = Box::pin(async { Ok::<_, Error>(all) });
        read
    };
    (Reread::new(read), log)
}

fn options(backend: Backend, reread: Option<Reread>) -> LoadOptions {
    LoadOptions { backend, reread, kv: KvType::F32, max_rows: Some(16), context: Some(96), ..Default::default() }
}

fn tokens(engine: &Engine, count: u32) -> Vec<u32> {
    (0..count).map(|i| i * 37 % engine.model.net.n_vocab).collect()
}

fn rows_from_the_file_give_what_a_table_on_the_device_gives(backend: Backend) {
    let bytes = file().to_bytes();
    let mut whole = load(&bytes, options(backend, None)).expect("a model");
    let mut split = load(&bytes, options(backend, Some(reread(&bytes).0))).expect("a model");
    let text = tokens(&whole, 40);
    for chunk in [1, 7, 16] {
        let [a, b] = [&mut whole, &mut split].map(|engine| prefill(engine, &text, chunk));
        assert!(largest_difference(&a, &b) < 1e-5, "prefilled by {chunk}");
    }
    let [a, b] = [&mut whole, &mut split].map(|engine| decode(engine, &text));
    assert!(largest_difference(&a, &b) < 1e-5, "decoded");
    assert_eq!(run(&mut whole, &text, greedy(12)).tokens, run(&mut split, &text, greedy(12)).tokens);
}

fn a_token_reads_its_own_row_and_the_table_takes_no_memory(backend: Backend) {
    let file = file();
    let bytes = file.to_bytes();
    let (reread, log) = reread(&bytes);
    let whole = load(&bytes, options(backend, None)).expect("a model");
    let mut split = load(&bytes, options(backend, Some(reread))).expect("a model");
    let table = file.tensors.iter().find(|t| t.name == "per_layer_token_embd.weight").expect("the table");
    // As in E2B, where it is half of the model, a row has several times the stream's width.
    let row = table.data.len() as u64 / u64::from(split.model.net.n_vocab);
    assert_eq!(row, 6 * 32 * 4);
    let held = |engine: &Engine| engine.device.bytes();
    let less = held(&whole) as f64 - held(&split) as f64;
    // What a batch's rows take is there in either case, but in another place.
    assert!((less / table.data.len() as f64 - 1.0).abs() < 0.1, "{less} of {} bytes less", table.data.len());
    assert!(log.borrow().is_empty(), "rows were read before there was a token");

    let prompt = tokens(&split, 20);
    let written = run(&mut split, &prompt, greedy(12)).tokens;
    let mut seen: Vec<u32> = prompt.iter().chain(&written[..written.len() - 1]).copied().collect();
    seen.sort_unstable();
    seen.dedup();
    let mut read = log.borrow().clone();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), log.borrow().len(), "a row was read twice");
    assert!(read.iter().all(|span| span.count == row));
    // The last token that was written may have been computed, too.
    assert!((seen.len()..=seen.len() + 1).contains(&read.len()), "{} rows of {} tokens", read.len(), seen.len());
}

fn a_file_that_cannot_be_read_any_more_is_told(backend: Backend) {
    let bytes = file().to_bytes();
    for (answer, code) in [(Err(Code::Io), Code::Io), (Ok(Vec::new()), Code::Truncated)] {
        let answer = answer.map_err(|code| Error::new(code, "It is gone; load it again."));
        let gone = Reread::new(move |_| {
            let answer = answer.clone();
            Box::pin(async { answer })
        });
        let mut engine = load(&bytes, options(backend, Some(gone))).expect("a model");
        let prompt = tokens(&engine, 5);
        let mut generation = Generation::with_tokens(&mut engine, prompt, greedy(4)).expect("a generation");
        let error = block_on(generation.next(&mut engine)).expect_err("a file that is gone");
        assert_eq!(error.code, code);
    }
}
