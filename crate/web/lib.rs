//! The library as JavaScript sees it, inside the worker: `Loader` → `Engine` → `Generation` (types in `www/worker/engine.ts`).
//! Every failure is thrown as `{ name: "SottoError", code, message }`.

#![cfg(target_arch = "wasm32")]

mod adapters;
mod chat;
mod embed;
mod grammar;
// Only in the artifact without threads: this needs none.
#[cfg(not(target_feature = "atomics"))]
mod header;
mod reread;
mod saved;
mod text;
#[cfg(target_feature = "atomics")]
mod threads;

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use sotto::base::cancel::Cancel;
use sotto::base::error::{Code, Error, Result};
use sotto::device::{Pause, Spawn};
use sotto::eval;
use sotto::file::gguf::HeaderParser;
use sotto::kernels::choose::AdapterName;
use sotto::run::engine::{self, Prompt};
use sotto::run::{loader, session};
use sotto::wire::embed::FillOptions;
use sotto::wire::info::ModelInfo;
use sotto::wire::options::{BenchOptions, GenerateOptions, LoadOptions, ScoreOptions};
use sotto::wire::stats::ModelStats;
use sotto::wire::step::Step;

type JsResult<T> = std::result::Result<T, JsValue>;

/// Bytes for the buffers of the CPU backend: all that 32-bit addresses reach, but for the tokenizer and the rest.
const ROOM: u64 = (1 << 32) - (256 << 20);

/// Panics are bugs; their text goes to the console and the trap reaches the page as an error of the call.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&format!("sotto: {info}").into())));
}

#[derive(Serialize)]
struct Thrown<'a> {
    name: &'a str,
    code: &'a str,
    message: &'a str,
}

fn thrown(error: Error) -> JsValue {
    to_js(&Thrown { name: "SottoError", code: error.code.as_str(), message: &error.message }).unwrap_or(JsValue::NULL)
}

fn to_js<T: Serialize>(value: &T) -> JsResult<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value
        .serialize(&serializer)
        .map_err(|e| thrown(Error::new(Code::Internal, format!("A result could not be passed on ({e})."))))
}

/// What a page passed. It has checked it (`www/wire/check.ts`): so this fails only where the two are not of one build.
fn from_js<T: for<'a> Deserialize<'a>>(what: &str, value: JsValue) -> JsResult<T> {
    serde_wasm_bindgen::from_value(value)
        .map_err(|e| thrown(Error::new(Code::BadOption, format!("The {what} is not understood ({e})."))))
}

/// What the worker knows of where it runs, beside the caller's options.
#[derive(Deserialize)]
struct Place {
    /// How the browser describes the adapter.
    adapter: Option<AdapterName>,
    /// What was measured before on this adapter.
    tuning: Vec<String>,
    /// Why the artifact with WebGPU gave it up: an error's code and message.
    refused: Option<[String; 2]>,
}

#[wasm_bindgen]
pub struct Loader(RefCell<Option<loader::Loader>>, RefCell<HeaderParser>);

#[wasm_bindgen]
impl Loader {
    /// `pause` gives a promise that is kept once the worker's other events were handled; `spawn` has a thread
    /// call `threads::serve` with the number that it is given.
    pub async fn create(
        options: JsValue,
        place: JsValue,
        pause: js_sys::Function,
        spawn: Option<js_sys::Function>,
    ) -> JsResult<Loader> {
        let mut options = read(options, place, pause)?;
        options.cpu.spawn = spawn.map(|spawn| {
            Spawn(Rc::new(move |worker| {
                let address = Box::into_raw(Box::new(worker)) as usize;
                drop(spawn.call1(&JsValue::NULL, &address.into()));
            }))
        });
        Loader::of(options).await
    }

    /// The next bytes of the header of a model's next file, in order, before those of its first; whether they were enough.
    pub fn push_part(&self, chunk: &[u8]) -> JsResult<bool> {
        let Some((header, _)) = self.1.borrow_mut().push(chunk).map_err(thrown)? else { return Ok(false) };
        self.1.take();
        if let Some(loader) = self.0.borrow_mut().as_mut() {
            loader.add_part(header);
        }
        Ok(true)
    }

    /// The bytes of the model's next file follow; says how many of all came before it.
    pub fn next_part(&self) -> JsResult<f64> {
        match self.0.borrow_mut().as_mut() {
            Some(loader) => loader.next_part().map(|bytes| bytes as f64).map_err(thrown),
            None => Err(thrown(disposed("load"))),
        }
    }

    /// How the model's file is read again: by a function of pairs (first byte, count), which promises these bytes, one
    /// behind the other. Before the file's first bytes.
    pub fn set_reread(&self, read: js_sys::Function) {
        if let Some(loader) = self.0.borrow_mut().as_mut() {
            loader.set_reread(reread::by(read));
        }
    }

    pub fn push(&self, chunk: &[u8]) -> JsResult<()> {
        match self.0.borrow_mut().as_mut() {
            Some(loader) => loader.push(chunk).map_err(thrown),
            None => Err(thrown(disposed("load"))),
        }
    }

    /// Why the CPU took WebGPU's place, as an error; once, as soon as it is known.
    pub fn take_warning(&self) -> JsValue {
        let warning = self.0.borrow_mut().as_mut().and_then(loader::Loader::take_warning);
        warning.map_or(JsValue::UNDEFINED, thrown)
    }

    pub async fn drain(&self) -> JsResult<()> {
        // Taken out while waiting, so that nothing is borrowed across it.
        let Some(mut loader) = self.0.take() else { return Err(thrown(disposed("load"))) };
        let drained = loader.drain().await;
        *self.0.borrow_mut() = Some(loader);
        drained.map_err(thrown)
    }

    pub fn total_bytes(&self) -> Option<f64> {
        self.0.borrow().as_ref()?.total_bytes().map(|bytes| bytes as f64)
    }

    pub async fn finish(self) -> JsResult<Engine> {
        let Some(loader) = self.0.into_inner() else { return Err(thrown(disposed("load"))) };
        let engine = loader.finish().await.map_err(thrown)?;
        Ok(Engine(Rc::new(RefCell::new(Some(engine))), RefCell::default()))
    }
}

impl Loader {
    async fn of(options: loader::LoadOptions) -> JsResult<Loader> {
        let loader = loader::Loader::new(options).await.map_err(thrown)?;
        Ok(Loader(RefCell::new(Some(loader)), RefCell::default()))
    }
}

/// The options of a load, and where it is.
fn read(options: JsValue, place: JsValue, pause: js_sys::Function) -> JsResult<loader::LoadOptions> {
    let mut options: loader::LoadOptions = from_js::<LoadOptions>("options object", options)?.into();
    let Place { adapter, tuning, refused } = from_js("place", place)?;
    options.gpu.adapter = adapter;
    options.gpu.refused = refused.map(|[code, message]| {
        let known = Code::ALL.iter().find(|known| known.as_str() == code);
        Error::new(known.copied().unwrap_or(Code::NoWebgpu), message)
    });
    options.tuning = tuning;
    options.cpu.room = Some(ROOM);
    options.cpu.pause = Some(Pause(Rc::new(move || {
        let paused = pause.call0(&JsValue::NULL).unwrap_or(JsValue::NULL);
        Box::pin(async move { drop(JsFuture::from(js_sys::Promise::resolve(&paused)).await) })
    })));
    Ok(options)
}

fn disposed(what: &str) -> Error {
    Error::new(Code::Disposed, format!("This {what} is over or busy; start a new one or wait for its last call."))
}

type Shared = Rc<RefCell<Option<engine::Engine>>>;

/// The engine is taken out of its cell for the length of a call, so that a second call meets an error, not a panic.
struct Held<'a>(&'a Shared, Option<engine::Engine>);

impl<'a> Held<'a> {
    fn new(shared: &'a Shared) -> Result<Self> {
        let engine = shared.borrow_mut().take();
        if engine.is_none() {
            return Err(disposed("model"));
        }
        Ok(Held(shared, engine))
    }

    fn engine(&mut self) -> &mut engine::Engine {
        self.1.as_mut().expect("held until dropped")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.0.borrow_mut() = self.1.take();
    }
}

/// The engine, and what ends the measurement under way.
#[wasm_bindgen]
pub struct Engine(Shared, RefCell<Cancel>);

#[wasm_bindgen]
impl Engine {
    pub fn info(&self) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        to_js(&ModelInfo::of(held.engine()))
    }

    /// What it does now, and what it has done.
    pub fn stats(&self) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        to_js(&ModelStats::of(held.engine()))
    }

    /// For a model that guesses for this one, on the same device; `set_draft` takes what it makes.
    pub async fn draft_loader(&self, options: JsValue, place: JsValue, pause: js_sys::Function) -> JsResult<Loader> {
        let options = read(options, place, pause)?;
        let options = options.of_draft(Held::new(&self.0).map_err(thrown)?.engine());
        Loader::of(options).await
    }

    pub fn set_draft(&self, draft: Engine) -> JsResult<()> {
        let Some(draft) = draft.0.take() else { return Err(thrown(disposed("draft"))) };
        Held::new(&self.0).map_err(thrown)?.engine().set_draft(draft).map_err(thrown)
    }

    pub fn tokenize(&self, text: &JsValue, options: JsValue) -> JsResult<Vec<u32>> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        text::tokenize(&held.engine().tokenizer, text, options)
    }

    pub fn detokenize(&self, ids: JsValue, options: JsValue) -> JsResult<String> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        text::detokenize(&held.engine().tokenizer, ids, options)
    }

    /// The texts of tokens, as the file writes them.
    pub fn pieces(&self, ids: JsValue) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        text::pieces(&held.engine().tokenizer, ids)
    }

    pub fn render_chat(&self, messages: JsValue, options: JsValue) -> JsResult<String> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let engine = held.engine();
        text::render_chat(&engine.templates, Some(&engine.tokenizer), messages, options)
    }

    /// `past`: what `sampled` of a generation gave that goes on here, on an engine that is another.
    pub fn generate(&self, prompt: JsValue, options: JsValue, past: Vec<u32>) -> JsResult<Generation> {
        let options = from_js::<GenerateOptions>("options object", options)?;
        let prompt = match prompt.as_string() {
            Some(text) if options.raw => Prompt::Raw(text),
            Some(text) => Prompt::Text(text),
            None => Prompt::Messages(from_js("prompt", prompt)?),
        };
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let mut options = options.read(&held.engine().sampling).map_err(thrown)?;
        options.past = chat::past_of(&past).remove(&0).unwrap_or_default();
        let generation = session::Generation::new(held.engine(), &prompt, options).map_err(thrown)?;
        Ok(Generation::of(&self.0, generation))
    }

    pub async fn score(&self, text: JsValue, options: JsValue) -> JsResult<JsValue> {
        let (text, options) = (text::text_of(&text)?, from_js::<ScoreOptions>("options object", options)?);
        let mut held = self.measure().map_err(thrown)?;
        let score = eval::score_with(held.engine(), &text, &options.adapter).await;
        held.engine().within(Cancel::default());
        to_js(&score.map_err(thrown)?)
    }

    pub async fn bench(&self, options: JsValue) -> JsResult<JsValue> {
        let options = from_js::<BenchOptions>("options object", options)?.into();
        let mut held = self.measure().map_err(thrown)?;
        let bench = eval::bench(held.engine(), &options).await;
        held.engine().within(Cancel::default());
        to_js(&bench.map_err(thrown)?)
    }

    /// [numbers of a vector, tokens of each text, the vectors one behind the other].
    pub async fn embed(&self, texts: JsValue, options: JsValue) -> JsResult<js_sys::Array> {
        let (texts, options) = embed::read(texts, options)?;
        let mut held = self.measure().map_err(thrown)?;
        let found = sotto::wire::embed::embed(held.engine(), texts, options).await;
        held.engine().within(Cancel::default());
        found.map(|found| embed::packed(&found)).map_err(thrown)
    }

    /// The classifier's scores of texts, behind a query if there is one: [texts][labels].
    pub async fn scores(&self, query: JsValue, texts: JsValue, options: JsValue) -> JsResult<JsValue> {
        let (texts, options) = (from_js::<Vec<String>>("list of texts", texts)?, from_js("options object", options)?);
        let query = query.as_string();
        let mut held = self.measure().map_err(thrown)?;
        let found = sotto::wire::embed::scores(held.engine(), query.as_deref(), &texts, options).await;
        held.engine().within(Cancel::default());
        to_js(&found.map_err(thrown)?)
    }

    /// What may stand in the place of a text's masked word, the likeliest first.
    pub async fn fill(&self, text: String, top: Option<u32>) -> JsResult<JsValue> {
        let options = top.map_or_else(Default::default, |top| FillOptions { top });
        let mut held = self.measure().map_err(thrown)?;
        let found = sotto::wire::embed::fill(held.engine(), &text, options).await;
        held.engine().within(Cancel::default());
        to_js(&found.map_err(thrown)?)
    }

    /// Ends the measurement or embedding under way, which fails with `Aborted`; on the CPU also in the middle of a step.
    pub fn cancel(&self) {
        self.1.borrow().cancel();
    }

    /// Frees the model's memory; generations that still run end with `Disposed`.
    pub fn dispose(&self) {
        self.0.borrow_mut().take();
    }
}

impl Engine {
    /// The engine for a measurement, which `cancel` ends.
    fn measure(&self) -> Result<Held<'_>> {
        let mut held = Held::new(&self.0)?;
        let whole = Cancel::default();
        held.engine().within(whole.clone());
        *self.1.borrow_mut() = whole;
        Ok(held)
    }
}

#[wasm_bindgen]
pub struct Generation {
    engine: Shared,
    generation: RefCell<Option<session::Generation>>,
    cancel: Cancel,
}

impl Generation {
    fn of(engine: &Shared, generation: session::Generation) -> Generation {
        let cancel = generation.cancel_handle().clone();
        Generation { engine: engine.clone(), generation: RefCell::new(Some(generation)), cancel }
    }
}

#[wasm_bindgen]
impl Generation {
    /// The next step, `null` where there is nothing new of this one, or `undefined` after the end.
    pub async fn next(&self) -> JsResult<JsValue> {
        let Some(mut generation) = self.generation.take() else { return Err(thrown(disposed("generation"))) };
        let step = match Held::new(&self.engine) {
            Ok(mut held) => generation.next(held.engine()).await,
            Err(error) => Err(error),
        };
        let out = match step {
            Err(error) => Err(thrown(error)),
            Ok(None) => Ok(JsValue::UNDEFINED),
            Ok(Some(step)) => Step::of(step, &generation).map_or(Ok(JsValue::NULL), |step| to_js(&step)),
        };
        *self.generation.borrow_mut() = Some(generation);
        out
    }

    /// The tokens that were sampled since it was asked last, each behind its reply's index, which is 0.
    pub fn sampled(&self) -> Vec<u32> {
        let mut generation = self.generation.borrow_mut();
        let sampled = generation.as_mut().map(session::Generation::take_sampled).unwrap_or_default();
        sampled.into_iter().flat_map(|token| [0, token]).collect()
    }

    /// Ends the generation; on the CPU also in the middle of a step.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
