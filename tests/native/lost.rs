//! A GPU device that is destroyed in the midst of work: what was asked says so, and the next engine, which is given what was
//! sampled, comes to the same end. By a seeded schedule; `SOTTO_LOSSES=100` loses so many.

use std::time::{Duration, Instant};

use pollster::block_on;
use sotto::base::error::{Code, Result};
use sotto::base::precision::KvType;
use sotto::device::{Backend, Device};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};
use sotto::run::saved::Saver;
use sotto::run::session::{GenerateOptions, Generation, Step};
use tiny_models as tiny;
use tiny_models::gguf::Rng;

use crate::generation::{greedy, prompt, run};
use crate::saved::restore;

/// Of the reply.
const TOKENS: usize = 24;

/// What is under way when a device goes.
const PHASES: [&str; 4] = ["load", "prefill", "decode", "save"];

/// The steps of all that is done, and the one behind which the device goes.
#[derive(Default)]
struct Fate {
    steps: Vec<&'static str>,
    last: Option<usize>,
    lost: Option<Instant>,
    /// From the loss until the next engine was there.
    back: Option<Duration>,
}

impl Fate {
    fn step(&mut self, phase: &'static str, device: Option<&Device>) {
        self.steps.push(phase);
        if self.lost.is_none() && self.last == Some(self.steps.len()) {
            self.lost = Some(Instant::now());
            device.and_then(Device::gpu).expect("a GPU").destroy();
        }
    }
}

/// What came of it all: the reply, and how a text that was saved and put back goes on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Came {
    reply: Vec<u32>,
    goes_on: Vec<u32>,
}

fn load(fate: &mut Fate) -> Result<Engine> {
    let options = LoadOptions {
        backend: Backend::Webgpu,
        context: Some(256),
        max_rows: Some(16),
        kv: KvType::F32,
        ..Default::default()
    };
    let file = tiny::build("llama-f32").expect("a tiny model");
    let mut loader = block_on(Loader::new(options))?;
    for piece in file.chunks(file.len().div_ceil(8)) {
        loader.push(piece)?;
        fate.step("load", loader.device());
        block_on(loader.drain())?;
    }
    let engine = block_on(loader.finish())?;
    fate.back = fate.back.or(fate.lost.map(|lost| lost.elapsed()));
    Ok(engine)
}

fn long() -> Vec<u32> {
    prompt().into_iter().cycle().take(100).collect()
}

/// A reply; `reply` has what was sampled, and gets what is.
fn write(engine: &mut Engine, reply: &mut Vec<u32>, fate: &mut Fate) -> Result<()> {
    // The last is sampled again: who has all of it would read nothing.
    let past = reply[..reply.len().min(TOKENS - 1)].to_vec();
    let options = GenerateOptions { past, fresh: false, ..greedy(TOKENS as u32) };
    let mut generation = Generation::with_tokens(engine, long(), options)?;
    while let Some(step) = block_on(generation.next(engine))? {
        if generation.tokens.len() > reply.len() {
            reply.clone_from(&generation.tokens);
        }
        fate.step(if matches!(step, Step::Prefill { .. }) { "prefill" } else { "decode" }, Some(&engine.device));
    }
    Ok(())
}

fn save(engine: &Engine, text: &[u32], fate: &mut Fate) -> Result<Vec<u8>> {
    let mut saver = Saver::new(engine, text).expect("some of it is there");
    let mut bytes = Vec::new();
    fate.step("save", Some(&engine.device));
    while let Some(piece) = block_on(saver.next(engine))? {
        bytes.extend(piece);
        fate.step("save", Some(&engine.device));
    }
    Ok(bytes)
}

/// All that is still to be done, on an engine of its own.
fn attempt(came: &mut Came, fate: &mut Fate) -> Result<()> {
    let mut engine = load(fate)?;
    write(&mut engine, &mut came.reply, fate)?;
    // It may have gone behind the last word.
    engine.device.check()?;
    let text = [&long()[..], &came.reply].concat();
    let bytes = save(&engine, &text, fate)?;
    engine.device.check()?;
    let mut other = load(&mut Fate::default())?;
    restore(&mut other, &bytes, 1000)?;
    came.goes_on = run(&mut other, &text, GenerateOptions { fresh: false, ..greedy(8) }).tokens;
    Ok(())
}

#[test]
fn whatever_a_device_is_lost_in_the_next_engine_comes_to_the_same_end() {
    let losses: usize = std::env::var("SOTTO_LOSSES").map_or(12, |losses| losses.parse().expect("a number"));
    let mut expected = Came::default();
    let mut whole = Fate::default();
    attempt(&mut expected, &mut whole).expect("it is whole where nothing is lost");
    assert_eq!((expected.reply.len(), expected.goes_on.len()), (TOKENS, 8));
    let mut random = Rng::named("losses");
    let mut times = Vec::new();
    let mut fell = [0; PHASES.len()];
    for loss in 0..losses {
        let phase = loss % PHASES.len();
        let steps: Vec<usize> = (1..=whole.steps.len()).filter(|at| whole.steps[at - 1] == PHASES[phase]).collect();
        let last = steps[random.next() as usize % steps.len()];
        let mut fate = Fate { last: Some(last), ..Fate::default() };
        let mut came = Came::default();
        let error = attempt(&mut came, &mut fate).expect_err("the device is gone");
        assert_eq!(error.code, Code::DeviceLost, "step {last} in {}: {error}", PHASES[phase]);
        attempt(&mut came, &mut fate).unwrap_or_else(|error| panic!("step {last} in {}: {error}", PHASES[phase]));
        assert_eq!(came, expected, "step {last} in {}", PHASES[phase]);
        times.push(fate.back.expect("it was loaded anew"));
        fell[phase] += 1;
    }
    times.sort();
    let [shortest, median, longest] = [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_millis());
    println!(
        "{losses} devices lost and recovered from ({PHASES:?}: {fell:?}): shortest {shortest} ms, median {median} ms, longest {longest} ms"
    );
}
