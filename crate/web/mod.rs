//! The library as JavaScript sees it, inside the worker: `Loader` → `Engine` → `Generation` (types in `www/worker/engine.ts`).
//! Every failure is thrown as `{ name: "SottoError", code, message }`.

mod info;
mod options;
#[cfg(target_feature = "atomics")]
mod threads;

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::base::cancel::Cancel;
use crate::base::error::{Code, Error, Result};
use crate::device::{Pause, Spawn};
use crate::eval;
use crate::run::engine::{self, Prompt};
use crate::run::loader;
use crate::run::session::{self, FinishReason};
use crate::text::tokenizer::EncodeOptions;

use info::info;
use options::{BenchOptions, GenerateOptions, LoadOptions, TokenizeOptions, options};

type JsResult<T> = std::result::Result<T, JsValue>;

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

/// The same value with the names of its members as JavaScript writes them.
fn camel_case(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (camel_name(&name), camel_case(value))).collect()
        }
        other => other,
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
}

/// All of the module's memory, in bytes; it never shrinks, so this is the peak.
fn wasm_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65_536.0
}

#[wasm_bindgen]
pub struct Loader(RefCell<Option<loader::Loader>>);

#[wasm_bindgen]
impl Loader {
    /// `pause` gives a promise that is kept once the worker's other events were handled; `spawn` has a thread
    /// call `threads::serve` with the number that it is given.
    pub async fn create(value: JsValue, pause: js_sys::Function, spawn: Option<js_sys::Function>) -> JsResult<Loader> {
        let pause = Pause(Rc::new(move || {
            let paused = pause.call0(&JsValue::NULL).unwrap_or(JsValue::NULL);
            Box::pin(async move { drop(JsFuture::from(js_sys::Promise::resolve(&paused)).await) })
        }));
        let spawn = spawn.map(|spawn| {
            Spawn(Rc::new(move |worker| {
                let address = Box::into_raw(Box::new(worker)) as usize;
                drop(spawn.call1(&JsValue::NULL, &address.into()));
            }))
        });
        let options = options::<LoadOptions>(value).and_then(|o| o.read(pause, spawn)).map_err(thrown)?;
        let loader = loader::Loader::new(options).await.map_err(thrown)?;
        Ok(Loader(RefCell::new(Some(loader))))
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
        Ok(Engine(Rc::new(RefCell::new(Some(engine)))))
    }
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

#[wasm_bindgen]
pub struct Engine(Shared);

#[wasm_bindgen]
impl Engine {
    pub fn info(&self) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        to_js(&info(held.engine()))
    }

    pub fn tokenize(&self, text: &str, value: JsValue) -> JsResult<Vec<u32>> {
        let o: TokenizeOptions = options(value).map_err(thrown)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let encode = EncodeOptions { add_special: o.add_special, parse_special: o.parse_special };
        held.engine().tokenizer.encode(text, encode).map_err(thrown)
    }

    pub fn detokenize(&self, ids: &[u32], keep_special: Option<bool>) -> JsResult<String> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        Ok(held.engine().tokenizer.decode(ids, keep_special.unwrap_or(false)))
    }

    pub fn generate(&self, prompt: JsValue, value: JsValue) -> JsResult<Generation> {
        let o: GenerateOptions = options(value).map_err(thrown)?;
        let raw = o.raw.unwrap_or(false);
        let prompt = match prompt.as_string() {
            Some(text) if raw => Prompt::Raw(text),
            Some(text) => Prompt::Text(text),
            None => Prompt::Messages(serde_wasm_bindgen::from_value(prompt).map_err(|e| {
                thrown(Error::new(
                    Code::BadOption,
                    format!("The prompt is neither text nor messages of {{role, content}} ({e})."),
                ))
            })?),
        };
        let o = o.read().map_err(thrown)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let generation = session::Generation::new(held.engine(), &prompt, o).map_err(thrown)?;
        let cancel = generation.cancel_handle().clone();
        Ok(Generation { engine: self.0.clone(), generation: RefCell::new(Some(generation)), cancel })
    }

    pub async fn score(&self, text: String) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let score = eval::score(held.engine(), &text).await.map_err(thrown)?;
        to_js(&camel_case(serde_json::json!(score)))
    }

    pub async fn bench(&self, value: JsValue) -> JsResult<JsValue> {
        let o = options::<BenchOptions>(value).map_err(thrown)?.read();
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let bench = eval::bench(held.engine(), &o).await.map_err(thrown)?;
        to_js(&camel_case(serde_json::json!(bench)))
    }

    /// Frees the model's memory; generations that still run end with `Disposed`.
    pub fn dispose(&self) {
        self.0.borrow_mut().take();
    }
}

#[wasm_bindgen]
pub struct Generation {
    engine: Shared,
    generation: RefCell<Option<session::Generation>>,
    cancel: Cancel,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Step {
    Prefill { done: usize, total: usize },
    Token { text: String, tokens: Vec<u32> },
    End { finish_reason: &'static str, text: String, tokens: Vec<u32>, prompt_tokens: Vec<u32>, timings: Timings },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    ttft_ms: f64,
    prefill_ms: f64,
    prefill_tps: f64,
    decode_ms: f64,
    decode_tps: f64,
    cached_tokens: usize,
}

#[wasm_bindgen]
impl Generation {
    /// The next step, or `undefined` after the end.
    pub async fn next(&self) -> JsResult<JsValue> {
        let Some(mut generation) = self.generation.take() else { return Err(thrown(disposed("generation"))) };
        let step = match Held::new(&self.engine) {
            Ok(mut held) => generation.next(held.engine()).await,
            Err(error) => Err(error),
        };
        let out = match step {
            Err(error) => Err(thrown(error)),
            Ok(None) => Ok(JsValue::UNDEFINED),
            Ok(Some(session::Step::Prefill { done, total })) => to_js(&Step::Prefill { done, total }),
            Ok(Some(session::Step::Token { text, tokens })) => to_js(&Step::Token { text, tokens }),
            Ok(Some(session::Step::End { reason, .. })) => to_js(&end(reason, &generation)),
        };
        *self.generation.borrow_mut() = Some(generation);
        out
    }

    /// Ends the generation; on the CPU also in the middle of a step.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

fn end(reason: FinishReason, generation: &session::Generation) -> Step {
    let t = generation.timings;
    Step::End {
        finish_reason: reason.as_str(),
        text: generation.text.clone(),
        tokens: generation.tokens.clone(),
        prompt_tokens: generation.prompt.clone(),
        timings: Timings {
            ttft_ms: t.ttft_ms,
            prefill_ms: t.prefill_ms,
            prefill_tps: t.prefill_tps,
            decode_ms: t.decode_ms,
            decode_tps: t.decode_tps,
            cached_tokens: t.cached_tokens,
        },
    }
}
