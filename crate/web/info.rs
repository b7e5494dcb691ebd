//! What JavaScript is told about a loaded model.

use serde::Serialize;

use super::wasm_bytes;
use crate::device::gpu::Gpu;
use crate::run::engine;

/// What `www/wire/protocol.ts` calls `ModelInfo`.
pub fn info(engine: &engine::Engine) -> impl Serialize + use<> {
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
        backend_reason: String,
        /// None on the CPU.
        adapter: Option<Adapter>,
        threads: usize,
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
        dot: bool,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Memory {
        gpu_bytes: f64,
        wasm_bytes: f64,
    }
    let config = &engine.model.config;
    let adapter = |gpu: &Gpu| Adapter {
        vendor: gpu.caps.adapter.vendor.clone(),
        architecture: gpu.caps.adapter.architecture.clone(),
        description: gpu.caps.adapter.description.clone(),
        is_software: gpu.caps.is_software,
        subgroups: gpu.caps.subgroups,
        f16: gpu.caps.f16,
        dot: gpu.caps.dot,
    };
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
        backend: engine.device.backend().as_str(),
        backend_reason: engine.reason.clone(),
        adapter: engine.device.gpu().map(adapter),
        threads: engine.device.threads(),
        memory: Memory { gpu_bytes: engine.device.gpu_bytes() as f64, wasm_bytes: wasm_bytes() },
        eos_tokens: engine.tokenizer.eog_ids().to_vec(),
        tuning: engine.model.tuning.lines(),
    }
}
