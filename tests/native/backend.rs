//! Which device a model comes to run on, whether there is room for it, and how its work is stopped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tiny_models as tiny;

use crate::common::run::load;
use pollster::block_on;
use sotto::base::cancel::Cancel;
use sotto::base::error::Code;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::{Backend, CpuOptions, Pause};
use sotto::eval::{self, BenchOptions};
use sotto::kernels::choose::AdapterName;
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};
use sotto::run::session::{FinishReason, GenerateOptions, Generation, Step};

fn file() -> Vec<u8> {
    tiny::build("llama-f32").expect("a tiny model")
}

fn on(backend: Backend) -> LoadOptions {
    LoadOptions { backend, ..Default::default() }
}

#[test]
fn what_is_asked_for_is_taken() {
    for backend in [Backend::Webgpu, Backend::Cpu] {
        let engine = load(&file(), on(backend)).expect("a model");
        assert_eq!(engine.device.backend(), backend);
        assert!(engine.reason.ends_with("was asked for."), "{}", engine.reason);
    }
}

#[test]
fn auto_takes_a_graphics_card_and_never_software() {
    let engine = load(&file(), on(Backend::Auto)).expect("a model");
    let adapter = block_on(Gpu::request(GpuOptions::default()));
    let real = adapter.as_ref().is_ok_and(|gpu| !gpu.caps.is_software);
    assert_eq!(engine.device.backend(), if real { Backend::Webgpu } else { Backend::Cpu });
    if let Ok(gpu) = adapter {
        assert!(engine.reason.contains(&gpu.caps.adapter.to_string()), "{}", engine.reason);
    }
    // What the page knows of the adapter decides before a device is made.
    let adapter = AdapterName { vendor: "google".into(), architecture: "swiftshader".into(), ..Default::default() };
    let gpu = GpuOptions { adapter: Some(adapter), ..Default::default() };
    let mut loader = block_on(Loader::new(LoadOptions { gpu, ..on(Backend::Auto) })).expect("a device");
    assert_eq!(loader.take_warning(), None);
    loader.push(&file()).expect("a sound model");
    let engine = block_on(loader.finish()).expect("a whole model");
    assert_eq!(engine.device.backend(), Backend::Cpu);
    assert!(engine.reason.contains("swiftshader") && engine.reason.ends_with('.'), "{}", engine.reason);
}

#[test]
fn a_model_without_room_is_refused_by_its_header_and_told_what_fits() {
    let with = |context: u32, room: u64| LoadOptions {
        context: Some(context),
        max_rows: Some(1),
        cpu: CpuOptions { room: Some(room), ..Default::default() },
        ..on(Backend::Cpu)
    };
    let whole = tiny::CONTEXT_LENGTH;
    let refused = |context: u32, room: u64| {
        let mut loader = block_on(Loader::new(with(context, room))).expect("a device");
        // The header alone: not one weight.
        let file = file();
        let error = loader.push(&file[..file.len() / 2]).expect_err("no room");
        assert_eq!(error.code, Code::OutOfMemory, "{error}");
        error.message
    };
    let needed = number_before(&refused(whole, 50_000), " MB of memory,");
    assert!((1..20).contains(&needed), "{needed} MB");
    assert!(refused(whole, 50_000).contains("a model or quantisation of at most"));
    // Room for the weights, and some of the context.
    let room = (1..).map(|i| i * 50_000).find(|&room| refused_for_context(with(whole, room))).expect("such a room");
    let message = refused(whole, room);
    let fits = number_before(&message, ".");
    assert!(load(&file(), with(fits as u32, room)).is_ok(), "{message}");
    assert!(load(&file(), with(fits as u32 * 5 / 4 + 2, room)).is_err(), "{message}");
    // Room for the context, and not for all of a larger cache.
    let cached = |tokens: u32| LoadOptions { cache_tokens: Some(tokens), ..with(fits as u32, room) };
    let message = load(&file(), cached(1 << 20)).err().expect("no room").message;
    assert!(message.contains("with cacheTokens of at most"), "{message}");
    let cells = number_before(&message, ".");
    assert!(load(&file(), cached(cells as u32)).is_ok(), "{message}");
    assert!(load(&file(), cached(cells as u32 * 5 / 4 + 2)).is_err(), "{message}");
    // Larger than a buffer can be, whatever room there is.
    let endless = LoadOptions { backend: Backend::Cpu, cache_tokens: Some(u32::MAX / 2), ..Default::default() };
    let message = load(&file(), endless).err().expect("no room").message;
    assert!(message.contains("with cacheTokens of at most"), "{message}");
}

fn refused_for_context(options: LoadOptions) -> bool {
    load(&file(), options).err().is_some_and(|error| error.message.contains("contextLength"))
}

/// The last number before the first `mark` in a text.
fn number_before(text: &str, mark: &str) -> u64 {
    let (before, _) = text.split_once(mark).unwrap_or_else(|| panic!("'{mark}' is not in: {text}"));
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|d| d.parse().ok()).unwrap_or_else(|| panic!("no number before '{mark}': {text}"))
}

/// An engine whose pauses cancel the work of the handle in the cell, when there is one, and are counted.
#[allow(clippy::type_complexity, reason = "it is taken apart at once")]
fn pausing() -> (Engine, Rc<RefCell<Option<Cancel>>>, Rc<Cell<usize>>) {
    let (handle, count) = (Rc::new(RefCell::new(None::<Cancel>)), Rc::new(Cell::new(0)));
    let (cancelled, counted) = (handle.clone(), count.clone());
    let pause = Pause(Rc::new(move || {
        counted.set(counted.get() + 1);
        cancelled.borrow().iter().for_each(Cancel::cancel);
        Box::pin(async {})
    }));
    let cpu = CpuOptions { pause: Some(pause), ..Default::default() };
    (load(&file(), LoadOptions { cpu, max_rows: Some(16), ..on(Backend::Cpu) }).expect("a model"), handle, count)
}

#[test]
fn a_step_on_the_cpu_is_stopped_between_dispatches() {
    let (mut engine, handle, pauses) = pausing();
    let prompt: Vec<u32> = (100..140).collect();
    let options = GenerateOptions { max_tokens: Some(8), ignore_eos: true, ..Default::default() };
    let mut run = |steps_before: Option<usize>| {
        let options = GenerateOptions { fresh: steps_before.is_some(), ..options.clone() };
        let mut generation = Generation::with_tokens(&mut engine, prompt.clone(), options).expect("a generation");
        let mut last = None;
        for step in 0.. {
            if steps_before == Some(step) {
                *handle.borrow_mut() = Some(generation.cancel_handle().clone());
                // The next dispatch has a pause before it.
                std::thread::sleep(Duration::from_millis(40));
            }
            match block_on(generation.next(&mut engine)).expect("a step") {
                Some(step) => last = Some(step),
                None => break,
            }
        }
        *handle.borrow_mut() = None;
        let Some(Step::End { reason, .. }) = last else { panic!("no end") };
        (reason, generation.tokens, generation.timings.cached_tokens)
    };
    let (reason, whole, _) = run(None);
    assert_eq!((reason, whole.len()), (FinishReason::Length, 8));
    // In the first chunk of the prompt, in its last, at a token.
    for (steps, tokens) in [(0, 0), (2, 0), (6, 3)] {
        let before = pauses.get();
        let (reason, stopped, _) = run(Some(steps));
        assert_eq!((reason, &stopped[..]), (FinishReason::Abort, &whole[..tokens]), "after {steps} steps");
        assert!(pauses.get() > before);
        // Nothing is left of it but what was computed whole.
        let (reason, again, _) = run(None);
        assert_eq!((reason, &again), (FinishReason::Length, &whole), "after {steps} steps");
    }
}

#[test]
fn a_score_and_a_benchmark_are_stopped_between_dispatches() {
    let (mut engine, handle, _) = pausing();
    let text = "the cat and the dog";
    let options = BenchOptions { prompt_tokens: vec![30], gen_tokens: 4, runs: 2, profile: false };
    let whole = block_on(eval::score(&mut engine, text)).expect("a score");
    let stoppable = |engine: &mut Engine| {
        let cancel = Cancel::default();
        engine.within(cancel.clone());
        *handle.borrow_mut() = Some(cancel);
        // The next dispatch has a pause before it.
        std::thread::sleep(Duration::from_millis(40));
    };
    stoppable(&mut engine);
    let score = block_on(eval::score(&mut engine, text)).map(|score| score.nll_mean);
    stoppable(&mut engine);
    let bench = block_on(eval::bench(&mut engine, &options)).map(|bench| bench.decode_tps);
    assert_eq!([score, bench].map(|result| result.map_err(|error| error.code)), [Err(Code::Aborted); 2]);
    *handle.borrow_mut() = None;
    engine.within(Cancel::default());
    assert_eq!(block_on(eval::score(&mut engine, text)).expect("a score").top, whole.top);
    block_on(eval::bench(&mut engine, &options)).expect("a measurement");
}
