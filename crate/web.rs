//! The library as JavaScript sees it, inside the worker: `Loader` → `Engine` → `Generation` (types in `www/engine.ts`).
//! Every failure is thrown as `{ name: "SottoError", code, message }`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::engine::{self, Prompt};
use crate::error::{Code, Error, Result};
use crate::gpu::{AdapterName, GpuOptions};
use crate::kv_cache::KvType;
use crate::loader;
use crate::measure;
use crate::sampler::SamplingParams;
use crate::session::{self, FinishReason};
use crate::tokenizer::EncodeOptions;

type JsResult<T> = std::result::Result<T, JsValue>;

/// Panics are bugs; their text goes to the console and the trap reaches the page as an error of the call.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&format!("sotto: {info}").into())));
}

fn thrown(error: Error) -> JsValue {
    #[derive(Serialize)]
    struct Thrown<'a> {
        name: &'a str,
        code: &'a str,
        message: &'a str,
    }
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

/// An options object; `undefined` is all defaults. Unknown and mistyped members are `BadOption`.
fn options<T: for<'a> Deserialize<'a> + Default>(value: JsValue) -> Result<T> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(value)
        .map_err(|e| Error::new(Code::BadOption, format!("The options are not understood: {e}.")))
}

/// All of the module's memory, in bytes; it never shrinks, so this is the peak.
fn wasm_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65_536.0
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LoadOptions {
    context_length: Option<u32>,
    max_batch_tokens: Option<u32>,
    kv_type: Option<String>,
    subgroups: Option<bool>,
    f16: Option<bool>,
    adapter: Option<AdapterInfo>,
    tune: Option<bool>,
    tuning: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AdapterInfo {
    vendor: String,
    architecture: String,
    description: String,
    is_fallback: bool,
}

impl LoadOptions {
    fn read(self) -> Result<loader::LoadOptions> {
        let kv = match self.kv_type.as_deref() {
            None | Some("f16") => KvType::F16,
            Some("f32") => KvType::F32,
            Some(other) => crate::bail!(BadOption, "kvType is '{other}'; give 'f16' or 'f32'."),
        };
        let adapter = self.adapter.map(|a| AdapterName {
            vendor: a.vendor,
            architecture: a.architecture,
            description: a.description,
            is_fallback: a.is_fallback,
        });
        let gpu = GpuOptions { subgroups: self.subgroups.unwrap_or(false), f16: self.f16.unwrap_or(true), adapter };
        Ok(loader::LoadOptions {
            gpu,
            context: self.context_length,
            max_rows: self.max_batch_tokens,
            kv,
            tune: self.tune,
            tuning: self.tuning,
            ..Default::default()
        })
    }
}

#[wasm_bindgen]
pub struct Loader(RefCell<Option<loader::Loader>>);

#[wasm_bindgen]
impl Loader {
    pub async fn create(value: JsValue) -> JsResult<Loader> {
        let options = options::<LoadOptions>(value).and_then(LoadOptions::read).map_err(thrown)?;
        let loader = loader::Loader::new(options).await.map_err(thrown)?;
        Ok(Loader(RefCell::new(Some(loader))))
    }

    pub fn push(&self, chunk: &[u8]) -> JsResult<()> {
        match self.0.borrow_mut().as_mut() {
            Some(loader) => loader.push(chunk).map_err(thrown),
            None => Err(thrown(disposed("load"))),
        }
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

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TokenizeOptions {
    add_special: bool,
    parse_special: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct BenchOptions {
    prompt_tokens: Option<Lengths>,
    gen_tokens: Option<usize>,
    runs: Option<usize>,
    profile: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Lengths {
    One(usize),
    Several(Vec<usize>),
}

impl Lengths {
    fn into_list(self) -> Vec<usize> {
        match self {
            Lengths::One(length) => vec![length],
            Lengths::Several(list) => list,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct GenerateOptions {
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    repeat_last_n: Option<u32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    logit_bias: Option<BTreeMap<String, f32>>,
    seed: Option<f64>,
    stop: Option<Vec<String>>,
    stop_tokens: Option<Vec<u32>>,
    raw: Option<bool>,
}

impl GenerateOptions {
    fn read(self) -> Result<session::GenerateOptions> {
        let chat = SamplingParams::chat();
        let mut logit_bias = Vec::new();
        for (id, bias) in self.logit_bias.unwrap_or_default() {
            let Ok(id) = id.parse() else { crate::bail!(BadOption, "logitBias names '{id}'; give token ids.") };
            logit_bias.push((id, bias));
        }
        // Without a seed every reply is another one.
        let seed = self.seed.unwrap_or_else(|| (js_sys::Math::random() * 9_007_199_254_740_992.0).floor());
        if !(seed >= 0.0 && seed.fract() == 0.0) {
            crate::bail!(BadOption, "seed is {seed}; give a whole number from 0.");
        }
        let sampling = SamplingParams {
            temperature: self.temperature.unwrap_or(chat.temperature),
            top_k: self.top_k.unwrap_or(chat.top_k),
            top_p: self.top_p.unwrap_or(chat.top_p),
            min_p: self.min_p.unwrap_or(chat.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(chat.repeat_penalty),
            repeat_last_n: self.repeat_last_n.unwrap_or(chat.repeat_last_n),
            presence_penalty: self.presence_penalty.unwrap_or(chat.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(chat.frequency_penalty),
            logit_bias,
            seed: seed as u64,
        };
        Ok(session::GenerateOptions {
            sampling,
            max_tokens: self.max_tokens,
            stop: self.stop.unwrap_or_default(),
            stop_tokens: self.stop_tokens.unwrap_or_default(),
            ..Default::default()
        })
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
        Ok(Generation { engine: self.0.clone(), generation: RefCell::new(Some(generation)), cancelled: false.into() })
    }

    pub async fn score(&self, text: String) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let score = measure::score(held.engine(), &text).await.map_err(thrown)?;
        to_js(&camel_case(serde_json::json!(score)))
    }

    pub async fn bench(&self, value: JsValue) -> JsResult<JsValue> {
        let o: BenchOptions = options(value).map_err(thrown)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let defaults = measure::BenchOptions::default();
        let o = measure::BenchOptions {
            prompt_tokens: o.prompt_tokens.map_or(defaults.prompt_tokens, Lengths::into_list),
            gen_tokens: o.gen_tokens.unwrap_or(defaults.gen_tokens),
            runs: o.runs.unwrap_or(defaults.runs),
            profile: o.profile,
        };
        let bench = measure::bench(held.engine(), &o).await.map_err(thrown)?;
        to_js(&camel_case(serde_json::json!(bench)))
    }

    /// Frees the model's GPU memory; generations that still run end with `Disposed`.
    pub fn dispose(&self) {
        self.0.borrow_mut().take();
    }
}

fn info(engine: &engine::Engine) -> impl Serialize + use<> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        architecture: &'static str,
        name: String,
        n_params: f64,
        n_layers: u32,
        context_length: u32,
        trained_context: u32,
        vocab_size: u32,
        quantization: String,
        chat_template: bool,
        backend: &'static str,
        adapter: Adapter,
        memory: Memory,
        eos_tokens: Vec<u32>,
        tuning: Vec<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Adapter {
        vendor: String,
        architecture: String,
        description: String,
        is_software: bool,
        subgroups: bool,
        f16: bool,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Memory {
        gpu_bytes: f64,
        wasm_bytes: f64,
    }
    let (config, caps) = (&engine.model.config, &engine.gpu.caps);
    Info {
        architecture: config.arch,
        name: engine.name.clone(),
        n_params: engine.n_params as f64,
        n_layers: config.n_layers,
        context_length: engine.model.sizes.context,
        trained_context: config.context_length,
        vocab_size: config.n_vocab,
        quantization: engine.types.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        chat_template: engine.template.is_some(),
        backend: "webgpu",
        adapter: Adapter {
            vendor: caps.adapter.vendor.clone(),
            architecture: caps.adapter.architecture.clone(),
            description: caps.adapter.description.clone(),
            is_software: caps.is_software,
            subgroups: caps.subgroups,
            f16: caps.f16,
        },
        memory: Memory { gpu_bytes: engine.gpu.bytes() as f64, wasm_bytes: wasm_bytes() },
        eos_tokens: engine.tokenizer.eog_ids().to_vec(),
        tuning: engine.model.tuning.lines(),
    }
}

#[wasm_bindgen]
pub struct Generation {
    engine: Shared,
    generation: RefCell<Option<session::Generation>>,
    cancelled: std::cell::Cell<bool>,
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
        if self.cancelled.get() {
            generation.cancel();
        }
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

    /// The step under way is the last but one.
    pub fn cancel(&self) {
        self.cancelled.set(true);
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
