//! The options objects that JavaScript passes in.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::base::error::{Code, Error, Result};
use crate::base::precision::KvType;
use crate::device::gpu::GpuOptions;
use crate::device::{Backend, CpuOptions, Pause, Spawn};
use crate::eval;
use crate::kernels::choose::AdapterName;
use crate::run::sampler::SamplingParams;
use crate::run::{loader, session};

/// Bytes for the buffers of the CPU backend: all that 32-bit addresses reach, but for the tokenizer and the rest.
const ROOM: u64 = (1 << 32) - (256 << 20);

/// An options object; `undefined` is all defaults. Unknown and mistyped members are `BadOption`.
pub fn options<T: for<'a> Deserialize<'a> + Default>(value: JsValue) -> Result<T> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(value)
        .map_err(|e| Error::new(Code::BadOption, format!("The options are not understood: {e}.")))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadOptions {
    context_length: Option<u32>,
    max_batch_tokens: Option<u32>,
    kv_type: Option<String>,
    subgroups: Option<bool>,
    f16: Option<bool>,
    dot: Option<bool>,
    adapter: Option<AdapterInfo>,
    tune: Option<bool>,
    tuning: Vec<String>,
    backend: Option<String>,
    precision: Option<String>,
    threads: Option<usize>,
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
    /// `pause` lets the worker's other events be handled; `spawn` starts a thread.
    pub fn read(self, pause: Pause, spawn: Option<Spawn>) -> Result<loader::LoadOptions> {
        let backend = self.backend.as_deref().map(Backend::parse).transpose()?.unwrap_or_default();
        let fast = match self.precision.as_deref() {
            None | Some("high") => false,
            Some("fast") => true,
            Some(other) => crate::bail!(BadOption, "precision is '{other}'; give 'high' or 'fast'."),
        };
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
        let gpu = GpuOptions {
            subgroups: self.subgroups.unwrap_or(false),
            f16: self.f16.unwrap_or(true),
            dot: self.dot.unwrap_or(false),
            adapter,
        };
        Ok(loader::LoadOptions {
            backend,
            gpu,
            cpu: CpuOptions { room: Some(ROOM), pause: Some(pause), threads: self.threads, spawn },
            context: self.context_length,
            max_rows: self.max_batch_tokens,
            kv,
            fast,
            tune: self.tune,
            tuning: self.tuning,
            ..Default::default()
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TokenizeOptions {
    pub add_special: bool,
    pub parse_special: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BenchOptions {
    prompt_tokens: Option<Lengths>,
    gen_tokens: Option<usize>,
    runs: Option<usize>,
    profile: bool,
}

impl BenchOptions {
    pub fn read(self) -> eval::BenchOptions {
        let defaults = eval::BenchOptions::default();
        eval::BenchOptions {
            prompt_tokens: self.prompt_tokens.map_or(defaults.prompt_tokens, Lengths::into_list),
            gen_tokens: self.gen_tokens.unwrap_or(defaults.gen_tokens),
            runs: self.runs.unwrap_or(defaults.runs),
            profile: self.profile,
        }
    }
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
pub struct GenerateOptions {
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
    pub raw: Option<bool>,
}

impl GenerateOptions {
    pub fn read(self) -> Result<session::GenerateOptions> {
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
