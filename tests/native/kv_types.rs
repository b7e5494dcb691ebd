//! Caches of few bits: how near the goldens they stay, what they take, and which models they are not for.

use std::collections::BTreeMap;

use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::memory::Named;
use sotto::kernels::choose::Choice;
use sotto::kernels::table::choices::Kv;
use sotto::run::batch::Batch;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};
use tiny_models as tiny;

use crate::common::run::{load, on_both_backends, rows};
use crate::common::twin::{Layout, PLAIN, Twin};
use crate::forward::tiny_golden;

/// Models whose heads are of 32, 64 and 128, with windows, norms of heads, and query heads in groups.
const MODELS: [&str; 5] = ["llama3-f32", "qwen3-f32", "gemma3-f32", "qwen2-mixed", "gemma3-mixed"];

fn engine(name: &str, backend: Backend, kv: KvType) -> Engine {
    let options = LoadOptions { backend, kv, max_rows: Some(16), ..Default::default() };
    load(&tiny::build(name).expect("a tiny model"), options).expect("a model")
}

on_both_backends!(logits_stay_near_the_goldens, chunks_of_any_size_give_the_same_bits);

/// The square of what logits are off by, as a part of their own.
fn error(got: &[f32], want: &[f32]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|v| v * v).sum::<f64>();
    let mean = want.iter().map(|&v| f64::from(v)).sum::<f64>() / want.len() as f64;
    squares(&mut got.iter().zip(want).map(|(&got, &want)| f64::from(got) - f64::from(want)))
        / squares(&mut want.iter().map(|&v| f64::from(v) - mean))
}

fn logits_stay_near_the_goldens(backend: Backend) {
    for name in MODELS {
        let golden = tiny_golden(name);
        let mut errors = BTreeMap::new();
        for kv in [KvType::F16, KvType::Q8, KvType::Q4] {
            let mut engine = engine(name, backend, kv);
            // Rows of prompts, and single ones.
            for (rows, prefill) in [(16, true), (1, false)] {
                let logits = block_on(whole_models::compute_alone(&mut engine, &golden.prompt, rows, prefill));
                let logits = logits.expect("logits");
                let n_vocab = engine.model.net.n_vocab as usize;
                let each = golden.logits.iter().map(|(&at, want)| error(&logits[at * n_vocab..][..n_vocab], want));
                let worst = each.fold(0.0, f64::max);
                errors.entry(kv.name()).and_modify(|e: &mut f64| *e = e.max(worst)).or_insert(worst);
            }
        }
        println!("{name} {backend:?}: {errors:?}");
        assert!(errors["q8_0"] < Q8 && errors["q4_0"] < Q4, "{name} {backend:?}: {errors:?}");
    }
}

/// What random weights, which are harder than a real model's, may lose.
const Q8: f64 = 4e-3;
const Q4: f64 = 0.3;

fn chunks_of_any_size_give_the_same_bits(backend: Backend) {
    for kv in [KvType::Q8, KvType::Q4] {
        let prompt = tiny_golden("qwen2-mixed").prompt;
        let mut engine = engine("qwen2-mixed", backend, kv);
        let mut prefill =
            |rows| block_on(whole_models::compute_alone(&mut engine, &prompt, rows, true)).expect("logits");
        let whole = prefill(16);
        assert!(prefill(8) == whole && prefill(11) == whole, "{}", kv.name());
    }
}

#[test]
fn every_dispatch_agrees_with_its_mirror() {
    for (name, kv) in MODELS.into_iter().flat_map(|name| [Kv::Q8, Kv::Q4].map(|kv| (name, kv))) {
        let mut twin = Twin::new(
            &tiny::build(name).expect("a tiny model"),
            Layout { choice: Choice { kv, ..PLAIN }, ..Default::default() },
        );
        let batch = Batch { rows: rows(&tiny_golden(name).prompt, 0, 0, |p| p % 13 == 0), prefill: true };
        let difference = twin.first_difference(&batch);
        assert!(difference.is_none(), "{name}: {}", difference.unwrap());
    }
}

#[test]
fn the_cache_takes_what_is_told_of_it() {
    // Two KV heads of 64 in each of four layers: keys and values, and a scale of two bytes for each 32.
    let bytes = [(KvType::F32, 512), (KvType::F16, 256), (KvType::Q8, 136), (KvType::Q4, 72)];
    for (kv, each) in bytes {
        let engine = engine("qwen2-mixed", Backend::Cpu, kv);
        let cells = u64::from(engine.model.kv().cells);
        let total: u64 = engine
            .model
            .kv_buffers()
            .iter()
            .map(|&(k, v)| engine.device.buffer_bytes(k) + engine.device.buffer_bytes(v))
            .sum();
        assert_eq!(total, cells * 4 * 2 * each, "{}", kv.name());
    }
    // Blocks that make no pair.
    assert_eq!([KvType::Q8, KvType::Q4].map(|kv| kv.head_bytes(96)), [96 + 8, 48 + 8]);
}

#[test]
fn heads_that_blocks_do_not_fit_are_refused_by_name() {
    for backend in [Backend::Cpu, Backend::Webgpu] {
        let options = LoadOptions { backend, kv: KvType::Q8, ..Default::default() };
        // Of the header alone.
        let file = tiny::build("qwen2-f32").expect("a tiny model");
        let error = load(&file[..file.len() / 2], options).map(|_| ()).expect_err("heads of 24");
        assert_eq!(error.code, Code::BadOption);
        assert!(error.message.contains("kvType is \"q8_0\"") && error.message.contains("24"), "{}", error.message);
    }
}

#[test]
fn a_reply_goes_on_from_what_is_kept() {
    // Moves within the cache, and a second turn on the same cells.
    for (backend, kv) in
        [Backend::Cpu, Backend::Webgpu].into_iter().flat_map(|b| [KvType::Q8, KvType::Q4].map(|kv| (b, kv)))
    {
        let mut engine = engine("llama3-f32", backend, kv);
        let prompt = tiny_golden("llama3-f32").prompt;
        let options = GenerateOptions { max_tokens: Some(12), ignore_eos: true, ..Default::default() };
        let reply = |engine: &mut Engine, prompt: &[u32]| {
            let mut generation = Generation::with_tokens(engine, prompt.to_vec(), options.clone()).expect("a reply");
            while block_on(generation.next(engine)).expect("a token").is_some() {}
            generation.tokens.clone()
        };
        let first = reply(&mut engine, &prompt);
        reply(&mut engine, &prompt[..20]);
        assert_eq!(reply(&mut engine, &prompt), first, "{backend:?} {}", kv.name());
    }
}
