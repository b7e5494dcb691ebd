//! What is known of a loaded model.

use schemars::JsonSchema;
use serde::Serialize;

use super::embed::EmbeddingInfo;
use crate::base::platform;
use crate::device::gpu::Gpu;
use crate::run::engine::Engine;
use crate::run::sampler::SamplingParams;

/// A loaded model, and what it runs on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// `general.architecture` of the file.
    pub architecture: &'static str,
    /// `general.name` of the file; may be empty.
    pub name: String,
    /// Parameters: the elements of all tensors.
    pub n_params: u64,
    /// Layers (blocks) of the network.
    pub n_layers: u32,
    /// Tokens of context that memory is reserved for.
    pub context_length: u32,
    /// Tokens of context that the model was trained for.
    pub trained_context: u32,
    /// Tokens of the vocabulary.
    pub vocab_size: u32,
    /// The types of its tensors, the one with most bytes first: `Q4_K, F32`.
    pub quantization: String,
    /// Whether it has a chat template.
    pub chat_template: bool,
    /// What the model runs on.
    #[schemars(extend("enum" = ["webgpu", "cpu"]))]
    pub backend: &'static str,
    /// Why this backend: a sentence.
    pub backend_reason: String,
    /// What WebGPU runs on; `null` on the CPU.
    pub adapter: Option<AdapterInfo>,
    /// Threads that compute; on WebGPU they are the card's own, and this is 1.
    pub threads: usize,
    /// What it takes.
    pub memory: Memory,
    /// How full the context is with the conversation that was last worked on.
    pub context_usage: ContextUsage,
    /// Of a model that embeds or scores texts, and writes none; else `null`.
    pub embedding: Option<EmbeddingInfo>,
    /// Token ids that end a reply.
    pub eos_tokens: Vec<u32>,
    /// How replies are drawn where a call does not say: as the file has it, else as Sotto does.
    pub sampling: SamplingDefaults,
    /// The kernels that measurement chose, one line a matrix product; empty where none was made.
    pub tuning: Vec<String>,
}

/// How replies are drawn where a call does not say; the options of `generate` have the same names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamplingDefaults {
    /// 0 is greedy.
    pub temperature: f64,
    /// Only the k best tokens; 0 for all.
    pub top_k: u32,
    /// Only the best tokens that reach this probability together; 1 for all.
    pub top_p: f64,
    /// Only tokens at least this likely compared with the best; 0 for all.
    pub min_p: f64,
    /// What the logits of recent tokens are divided by; 1 for none.
    pub repeat_penalty: f64,
    /// How many of the last tokens the penalty looks at; 4294967295 for all.
    pub repeat_last_n: u32,
}

impl SamplingDefaults {
    /// Of what is loaded.
    pub fn of(params: &SamplingParams) -> SamplingDefaults {
        // As they were written: 0.8, not the nearest that 32 bits have.
        let number = |number: f32| (f64::from(number) * 1e6).round() / 1e6;
        SamplingDefaults {
            temperature: number(params.temperature),
            top_k: params.top_k,
            top_p: number(params.top_p),
            min_p: number(params.min_p),
            repeat_penalty: number(params.repeat_penalty),
            repeat_last_n: params.repeat_last_n,
        }
    }
}

/// A graphics adapter, as WebGPU describes it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdapterInfo {
    /// Who made it; may be empty.
    pub vendor: String,
    /// Its family; may be empty.
    pub architecture: String,
    /// Its name; empty where the browser does not tell it.
    pub description: String,
    /// Whether it is a program on the CPU.
    pub is_software: bool,
    /// Whether kernels use subgroup operations.
    pub subgroups: bool,
    /// Whether kernels use 16-bit floats.
    pub f16: bool,
    /// Whether kernels use packed integer products.
    pub dot: bool,
}

/// Memory that a model holds, in bytes.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// 0 on the CPU, whose buffers lie in the wasm heap.
    pub gpu_bytes: u64,
    /// The size of the wasm heap; it never shrinks, so this is its peak.
    pub wasm_bytes: u64,
}

/// How full a context is.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextUsage {
    /// Tokens of prompt and reply; 0 before the first.
    pub tokens: usize,
    /// Tokens that there is room for.
    pub context_length: u32,
}

impl ContextUsage {
    /// Of what is loaded.
    pub fn of(engine: &Engine) -> ContextUsage {
        let last = engine.model.kv().sequences().iter().max_by_key(|sequence| sequence.used);
        ContextUsage {
            tokens: last.map_or(0, |sequence| sequence.tokens.len()),
            context_length: engine.model.sizes.context,
        }
    }
}

impl ModelInfo {
    /// Of a loaded model.
    pub fn of(engine: &Engine) -> ModelInfo {
        let net = &engine.model.net;
        ModelInfo {
            architecture: net.arch,
            name: engine.name.clone(),
            n_params: engine.n_params,
            n_layers: net.blocks.len() as u32,
            context_length: engine.model.sizes.context,
            trained_context: net.context_length,
            vocab_size: net.n_vocab,
            quantization: engine.types.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            chat_template: engine.templates.chat.is_some(),
            embedding: EmbeddingInfo::of(engine),
            backend: engine.device.backend().as_str(),
            backend_reason: engine.reason.clone(),
            adapter: engine.device.gpu().map(AdapterInfo::of),
            threads: engine.device.threads(),
            context_usage: ContextUsage::of(engine),
            memory: Memory { gpu_bytes: engine.device.gpu_bytes(), wasm_bytes: platform::wasm_bytes() },
            eos_tokens: engine.tokenizer.eog_ids().to_vec(),
            sampling: SamplingDefaults::of(&engine.sampling),
            tuning: engine.model.tuning.lines(),
        }
    }
}

impl AdapterInfo {
    fn of(gpu: &Gpu) -> AdapterInfo {
        let caps = &gpu.caps;
        AdapterInfo {
            vendor: caps.adapter.vendor.clone(),
            architecture: caps.adapter.architecture.clone(),
            description: caps.adapter.description.clone(),
            is_software: caps.is_software,
            subgroups: caps.subgroups,
            f16: caps.f16,
            dot: caps.dot,
        }
    }
}
