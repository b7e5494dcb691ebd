//! PEFT's adapters: `adapter_model.safetensors`, and what `adapter_config.json` beside it says.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Adapter, Half, Halves, pair};
use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::names::{Names, Place};
use crate::file::quoted;
use crate::file::safetensors::{Entry, Head, HeadParser};

/// What `adapter_config.json` says, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    alpha: f32,
    /// B A is divided by the root of the rank (Kalajdzievski 2023), not by the rank.
    by_root: bool,
    /// Modules that have an alpha of their own, by the ends of their names.
    alphas: Vec<(String, f32)>,
    base: Option<String>,
}

/// (member, what it is) of what is not supported.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_dora", "DoRA's magnitudes"),
    ("bias", "trained biases"),
    ("modules_to_save", "whole matrices of its own (modules_to_save)"),
    ("lora_bias", "biases of its own (lora_bias)"),
    ("target_parameters", "parameters of experts (target_parameters)"),
    ("trainable_token_indices", "trained tokens"),
    ("layer_replication", "copied layers (layer_replication)"),
    ("alora_invocation_tokens", "tokens from which on it works (aLoRA)"),
    ("use_qalora", "pooled inputs (QALoRA)"),
    ("use_bdlora", "matrices in blocks (BD-LoRA)"),
];

/// Whether a member asks for nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text == "none",
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

impl Config {
    /// From the file's text. `BadAdapter` where it is no LoRA's, or asks for what is not supported.
    pub fn read(text: &str) -> Result<Config> {
        let json: Value = serde_json::from_str(text)
            .map_err(|e| Error::new(Code::BadAdapter, format!("adapter_config.json is not JSON ({e})")))?;
        match json["peft_type"].as_str() {
            Some("LORA") => {}
            kind => bail!(
                BadAdapter,
                "The adapter is of PEFT's type {}; give one of the type LORA",
                quoted(kind.unwrap_or("none"))
            ),
        }
        if let Some((member, what)) = UNSUPPORTED.iter().find(|(member, _)| !is_nothing(&json[*member])) {
            bail!(
                BadAdapter,
                "The adapter has {what}, which is not supported; adapter_config.json says so in {member}"
            );
        }
        let Some(alpha) = json["lora_alpha"].as_f64() else {
            bail!(BadAdapter, "adapter_config.json does not say lora_alpha; save the adapter again");
        };
        let mut alphas = Vec::new();
        for (pattern, alpha) in json["alpha_pattern"].as_object().into_iter().flatten() {
            let name = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
            let literal = name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_'));
            let Some(alpha) = alpha.as_f64().filter(|_| literal) else {
                bail!(
                    BadAdapter,
                    "The alpha_pattern {} of adapter_config.json is no module's name; convert the adapter by convert_lora_to_gguf.py",
                    quoted(pattern)
                );
            };
            alphas.push((name, alpha as f32));
        }
        Ok(Config {
            alpha: alpha as f32,
            by_root: json["use_rslora"].as_bool() == Some(true),
            alphas,
            base: json["base_model_name_or_path"].as_str().map(String::from),
        })
    }

    /// What B A of a module of this rank is multiplied by.
    fn scale(&self, module: &str, rank: u64) -> f32 {
        let is_end = |name: &str| module == name || module.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        let own = self.alphas.iter().find(|(name, _)| is_end(name)).map(|(_, alpha)| *alpha);
        let rank = rank as f32;
        own.unwrap_or(self.alpha) / if self.by_root { rank.sqrt() } else { rank }
    }
}

/// Reads a safetensors header as it comes.
pub struct Parser {
    config: Config,
    head: HeadParser,
}

impl Parser {
    pub fn new(config: Config) -> Self {
        Parser { config, head: HeadParser::new(Code::BadAdapter) }
    }

    pub fn push(&mut self, bytes: &[u8], arch: &str) -> Result<Option<Adapter>> {
        let Some(head) = self.head.push(bytes)? else { return Ok(None) };
        read(head, &self.config, arch).map(Some)
    }
}

/// What names begin with in PEFT's files.
const PREFIX: &str = "base_model.model.";

/// (how a tensor's name ends, which half it is)
const HALVES: [(&str, usize); 4] =
    [(".lora_A.weight", 0), (".lora_B.weight", 1), (".lora_embedding_A", 0), (".lora_embedding_B", 1)];

fn read(head: Head, config: &Config, arch: &str) -> Result<Adapter> {
    let Some(names) = Names::of(arch) else {
        bail!(
            BadAdapter,
            "PEFT's adapters are not read for {arch} models yet; convert it by llama.cpp's convert_lora_to_gguf.py"
        );
    };
    let mut found: IndexMap<String, (Place, Halves)> = IndexMap::new();
    for entry in head.entries {
        // PEFT may save a copy of the base's embedding, which it does not train.
        if entry.name.ends_with(".base_layer.weight") {
            continue;
        }
        let ending = HALVES.iter().find_map(|&(end, at)| Some((entry.name.strip_suffix(end)?, at)));
        let Some((module, at)) = ending else {
            let what = if entry.name.contains("lora_magnitude") { " (DoRA)" } else { "" };
            bail!(BadAdapter, "The adapter has a tensor {} that is not supported{what}", quoted(&entry.name));
        };
        let module = module.strip_prefix(PREFIX).unwrap_or(module).to_string();
        let Some(place) = names.find(&module) else {
            bail!(BadAdapter, "The adapter changes {}, which a {arch} model does not have", quoted(&module));
        };
        let Some(kind) = entry.float() else {
            bail!(
                UnsupportedTensorType,
                "The adapter's tensor {} has the type {}; save it in F32, F16 or BF16",
                quoted(&entry.name),
                quoted(&entry.dtype)
            )
        };
        let [rows, length] = entry.shape[..] else {
            bail!(
                BadAdapter,
                "The adapter's tensor {} has the shape {:?}, not that of a matrix",
                quoted(&entry.name),
                entry.shape
            );
        };
        let Entry { name, offset, bytes, .. } = entry;
        let half = Half { name, kind, offset, bytes, shape: [rows, length], transposed: false };
        let halves = &mut found.entry(module.clone()).or_insert_with(|| (place, Halves::default())).1;
        if halves[at].replace(half).is_some() {
            bail!(BadAdapter, "The adapter has two matrices {} of one kind", quoted(&module));
        }
    }
    let pairs = found
        .into_iter()
        .map(|(module, (place, halves))| pair(place.target, halves, place.halves, |rank| config.scale(&module, rank)));
    Ok(Adapter {
        architecture: None,
        base: config.base.clone(),
        pairs: pairs.collect::<Result<_>>()?,
        file_bytes: head.file_bytes,
    })
}
