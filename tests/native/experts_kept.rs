//! Experts that stay in the file: what is read of it, and that nothing else changes.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::common::run::{decode, largest_difference, load, on_both_backends, prefill};
use crate::experts::{of_types, row};
use crate::generation::{greedy, run};
use crate::layer_rows::{reread, reread_parts};
use crate::split::load_parts;
use pollster::block_on;
use sotto::base::error::{Code, Error};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::model::spec::Net;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::rows::Reread;
use sotto::run::session::Generation;
use tiny_models::archs::ROWS;
use tiny_models::gguf::Gguf;

on_both_backends!(
    every_mixture_gives_what_it_gives_in_memory,
    experts_of_any_types_come_to_their_places,
    a_token_reads_what_it_chose_and_was_not_there,
    a_file_that_cannot_be_read_any_more_is_told_and_may_come_back,
    requests_side_by_side_share_what_is_there,
    experts_are_read_from_the_file_that_holds_them,
);

fn options(backend: Backend, kept: Option<(u32, Reread)>) -> LoadOptions {
    let (experts, reread) = kept.map_or((None, None), |(experts, reread)| (Some(experts), Some(reread)));
    LoadOptions {
        backend,
        experts,
        reread,
        kv: KvType::F32,
        max_rows: Some(16),
        context: Some(96),
        ..Default::default()
    }
}

fn tokens(engine: &Engine, count: u32) -> Vec<u32> {
    (0..count).map(|i| i * 37 % engine.model.net.n_vocab).collect()
}

/// Experts of a layer, and those that a token takes, at most.
fn sizes(net: &Net) -> Option<(u32, u32)> {
    let all = || net.blocks.iter().filter_map(|block| block.experts());
    Some((all().map(|experts| experts.count).max()?, all().map(|experts| experts.used).max()?))
}

/// Compares a file with all experts in memory and with some; equal to the bit on the CPU.
fn compare(backend: Backend, name: &str, file: &Gguf) -> bool {
    let bytes = file.to_bytes();
    let mut whole = load(&bytes, options(backend, None)).expect("a model");
    let Some((count, used)) = sizes(&whole.model.net) else { return false };
    let text = tokens(&whole, 21);
    for kept in [used, used + 1, count].into_iter().filter(|kept| *kept <= count) {
        let mut split = load(&bytes, options(backend, Some((kept, reread(&bytes).0)))).expect("a model");
        assert_eq!(split.experts.is_some(), kept < count, "{name}: {kept}");
        let [a, b] = [&mut whole, &mut split].map(|engine| {
            let mut all = prefill(engine, &text, 16);
            all.extend(prefill(engine, &text, 3));
            all.extend(decode(engine, &text[..6]));
            all
        });
        match backend {
            Backend::Cpu => assert!(a == b, "{name}: {kept} of {count}: {:e}", largest_difference(&a, &b)),
            _ => assert!(largest_difference(&a, &b) < 2e-5, "{name}: {kept} of {count}"),
        }
        let bits = |engine: &mut Engine| run(engine, &text, greedy(8)).tokens;
        assert_eq!(bits(&mut whole), bits(&mut split), "{name}: {kept} of {count}");
    }
    true
}

fn every_mixture_gives_what_it_gives_in_memory(backend: Backend) {
    // On the CPU all of them; what is done there is done for a GPU, but for its kernels, which are tried for all in `archs.rs`.
    const SOME: [&str; 4] = ["qwen3moe", "olmoe/slim", "gpt-oss", "gemma4/experts"];
    let names = ROWS.iter().filter(|row| backend == Backend::Cpu || SOME.contains(&row.name));
    let mixtures = names.filter(|row| compare(backend, row.name, &row.assemble())).count();
    assert!(mixtures >= if backend == Backend::Cpu { 30 } else { SOME.len() }, "{mixtures} mixtures");
}

fn experts_of_any_types_come_to_their_places(backend: Backend) {
    for types in [["q4_0"; 3], ["q8_0", "q4_1", "q5_0"], ["mxfp4"; 3], ["f16", "f16", "bf16"], ["q5_1"; 3]] {
        let [mixed, _] = of_types("qwen3moe", types);
        assert!(compare(backend, types[0], &mixed));
    }
}

fn a_token_reads_what_it_chose_and_was_not_there(backend: Backend) {
    // 70 experts, of which each token takes 8.
    let file = row("qwen3moe/many").assemble();
    let bytes = file.to_bytes();
    let (reread, log) = reread(&bytes);
    let whole = load(&bytes, options(backend, None)).expect("a model");
    let mut split = load(&bytes, options(backend, Some((10, reread)))).expect("a model");
    let experts: usize =
        file.tensors.iter().filter(|tensor| tensor.name.contains("_exps.")).map(|tensor| tensor.data.len()).sum();
    let less = whole.device.bytes() as f64 - split.device.bytes() as f64;
    let want = experts as f64 * 60.0 / 70.0;
    assert!((less / want - 1.0).abs() < 0.02, "{less} bytes less, not {want}");
    assert!(log.borrow().is_empty(), "experts were read before there was a token");

    let text = tokens(&split, 5);
    decode(&mut split, &text);
    let counts = split.experts.as_ref().expect("experts").counts;
    let layers = split.model.net.blocks.len() as u64;
    assert_eq!(counts.wanted, 5 * 8 * layers);
    assert!(counts.read < counts.wanted && counts.read >= 8 * layers, "{counts:?}");
    let each = experts as u64 / 70 / layers;
    assert_eq!(counts.bytes, counts.read * each);
    assert_eq!(log.borrow().iter().map(|span| span.count).sum::<u64>(), counts.bytes);
    // The same token again wants what is there, where nothing was between.
    let before = counts.read;
    decode(&mut split, &text[4..]);
    let first = split.experts.as_ref().expect("experts").counts.read;
    decode(&mut split, &text[4..]);
    let counts = split.experts.as_ref().expect("experts").counts;
    assert!(first >= before);
    assert_eq!(counts.read, first, "what is there was read again");
}

fn a_file_that_cannot_be_read_any_more_is_told_and_may_come_back(backend: Backend) {
    let bytes = row("qwen3moe").assemble().to_bytes();
    let (there, _) = reread(&bytes);
    let answer = Rc::new(std::cell::RefCell::new(Some(Err(Code::Io))));
    let set = answer.clone();
    let gone = Reread::new(move |spans| {
        let (answer, there) = (answer.borrow().clone(), there.clone());
        Box::pin(async move {
            match answer {
                Some(answer) => answer.map_err(|code| Error::new(code, "It is gone; load it again.")),
                None => there.read(spans.iter().map(|span| (span.first, span.count)).collect()).await,
            }
        })
    });
    let mut engine = load(&bytes, options(backend, Some((4, gone)))).expect("a model");
    let prompt = tokens(&engine, 5);
    for (say, code) in [(Err(Code::Io), Code::Io), (Ok(Vec::new()), Code::Truncated)] {
        *set.borrow_mut() = Some(say);
        let mut generation = Generation::with_tokens(&mut engine, prompt.clone(), greedy(4)).expect("a generation");
        let error = block_on(generation.next(&mut engine)).expect_err("a file that is gone");
        assert_eq!(error.code, code);
    }
    *set.borrow_mut() = None;
    let mut whole = load(&bytes, options(backend, None)).expect("a model");
    assert_eq!(run(&mut whole, &prompt, greedy(8)).tokens, run(&mut engine, &prompt, greedy(8)).tokens);
}

fn requests_side_by_side_share_what_is_there(backend: Backend) {
    let bytes = row("qwen3moe").assemble().to_bytes();
    let mut whole = load(&bytes, options(backend, None)).expect("a model");
    let mut split = load(&bytes, options(backend, Some((4, reread(&bytes).0)))).expect("a model");
    let texts: Vec<Vec<u32>> = (2..6).map(|n| tokens(&whole, 3 * n)).collect();
    let want: Vec<Vec<u32>> = texts.iter().map(|text| run(&mut whole, text, greedy(8)).tokens).collect();
    let mut all: Vec<Generation> = texts
        .iter()
        .map(|text| Generation::with_tokens(&mut split, text.clone(), greedy(8)).expect("a generation"))
        .collect();
    let mut ended = vec![false; all.len()];
    while ended.contains(&false) {
        for (generation, ended) in all.iter_mut().zip(&mut ended) {
            *ended = *ended || block_on(generation.next(&mut split)).expect("a step").is_none();
        }
    }
    let found: Vec<Vec<u32>> = all.iter().map(|generation| generation.tokens.clone()).collect();
    assert_eq!(found, want);
}

fn experts_are_read_from_the_file_that_holds_them(backend: Backend) {
    for name in ["qwen3moe", "gemma4/experts"] {
        let file = row(name).assemble();
        let mut whole = load(&file.to_bytes(), options(backend, None)).expect("a model");
        let used = sizes(&whole.model.net).expect("a mixture").1;
        for count in [2, 5] {
            let mut files: Vec<Vec<u8>> = file.split(count).iter().map(Gguf::to_bytes).collect();
            // What follows the model in a file is none of it.
            files[0].extend([7; 99]);
            let (reread, log) = reread_parts(files.clone());
            let mut split = load_parts(&files, options(backend, Some((used, reread)))).expect("a model");
            let text = tokens(&whole, 21);
            let [a, b] = [&mut whole, &mut split].map(|engine| prefill(engine, &text, 16));
            match backend {
                Backend::Cpu => assert!(a == b, "{name} in {count}: {:e}", largest_difference(&a, &b)),
                _ => assert!(largest_difference(&a, &b) < 2e-5, "{name} in {count}"),
            }
            let read: BTreeSet<usize> = log.borrow().iter().map(|span| span.file).collect();
            assert!(read.len() > 1, "{name} in {count}: only {read:?} were read");
        }
    }
}

#[test]
fn numbers_that_cannot_be_meant_are_refused() {
    let bytes = row("qwen3moe").assemble().to_bytes();
    let of = |bytes: &[u8], experts, again: bool| {
        let reread = again.then(|| reread(bytes).0);
        let options = LoadOptions { experts: Some(experts), reread, ..options(Backend::Cpu, None) };
        load(bytes, options).err().expect("an error")
    };
    let too_few = of(&bytes, 2, true);
    assert_eq!(too_few.code, Code::BadOption);
    assert_eq!(too_few.message, "experts is 2, but each token takes 3 of a layer; give at least that.");
    let once = of(&bytes, 4, false);
    assert_eq!(once.code, Code::BadOption);
    assert!(once.message.starts_with("Experts cannot stay in a file that cannot be read again;"), "{once}");
    let dense = of(&row("phi2").assemble().to_bytes(), 4, true);
    assert_eq!(dense.code, Code::BadOption);
    assert_eq!(dense.message, "experts is 4, but this phi2 model is no mixture of experts; leave it out.");
}
