//! What a model does now, and what it has done since its load.

use schemars::JsonSchema;
use serde::Serialize;

use super::info::Memory;
use crate::base::platform;
use crate::run::engine::Engine;

/// What a model does now, and what it has done since its load.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStats {
    /// Replies.
    pub requests: RequestStats,
    /// Passes of the model for them.
    pub batch: BatchStats,
    /// Their tokens.
    pub tokens: TokenStats,
    /// Keys and values that are kept.
    pub cache: CacheStats,
    /// Guesses of tokens (`speculate`).
    pub speculation: SpeculationStats,
    /// Experts that stay in the file (`experts`).
    pub experts: ExpertStats,
    /// What the model takes.
    pub memory: Memory,
}

/// Replies: an answer with `n` of them counts as so many.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestStats {
    /// Under way.
    pub running: usize,
    /// In line, as the cache has no room for them yet.
    pub waiting: usize,
    /// Since the load.
    pub total: u64,
}

/// Passes of the model, each of which computes one or more rows: tokens of prompts, the next tokens of replies, guesses.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchStats {
    /// Since the load.
    pub passes: u64,
    /// Of all passes.
    pub rows: u64,
    /// Of the last pass.
    pub last_rows: usize,
    /// Replies that shared the last pass.
    pub last_requests: usize,
}

/// Tokens in and out. Rates are those of late: over some two seconds, so that they fall to 0 where nothing is asked.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStats {
    /// Of prompts, since the load.
    pub prompt: u64,
    /// Of those, the ones that were in the cache and not computed again.
    pub cached: u64,
    /// Of replies, since the load.
    pub completion: u64,
    /// Prompt tokens computed in a second.
    pub prompt_tps: f64,
    /// Reply tokens in a second, of all replies together.
    pub completion_tps: f64,
}

/// The cache: a cell holds the keys and values of one token.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheStats {
    /// Cells that texts have, with what is set aside for replies under way.
    pub used: u32,
    /// All of them.
    pub cells: u32,
    /// Those of layers that look back over a window only and have cells of their own, so far as texts have them; else 0.
    pub window_used: u32,
    /// All of those.
    pub window_cells: u32,
    /// Texts that are kept: those under way, and those that a later prompt may begin with.
    pub texts: usize,
    /// Texts that made room for others, since the load.
    pub evictions: u64,
}

/// Guesses of what comes next, in tokens, since the load.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpeculationStats {
    /// Computed.
    pub drafted: usize,
    /// Of those, the right ones.
    pub accepted: usize,
}

/// Experts that were wanted of layers, each once a pass, since the load; 0 where all are in memory.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpertStats {
    /// By passes.
    pub wanted: u64,
    /// Of those, the ones that were not in memory.
    pub read: u64,
    /// Bytes that were read for them.
    pub bytes: u64,
}

impl ModelStats {
    /// Of a loaded model, whose requests that nobody reads any more end.
    pub fn of(engine: &mut Engine) -> ModelStats {
        engine.purge();
        let (counts, store) = (&engine.counts, engine.model.kv());
        let (running, waiting) = engine.under_way();
        let [window_cells, window_free] = store.near_cells().unwrap_or_default();
        let (last_rows, last_requests) = counts.last;
        let experts = engine.experts.as_ref().map(|experts| experts.counts).unwrap_or_default();
        ModelStats {
            requests: RequestStats { running, waiting, total: counts.requests },
            batch: BatchStats { passes: counts.passes, rows: counts.rows, last_rows, last_requests },
            tokens: TokenStats {
                prompt: counts.prompt_tokens,
                cached: counts.cached_tokens,
                completion: counts.completion_tokens,
                prompt_tps: counts.prompt_tps(),
                completion_tps: counts.completion_tps(),
            },
            cache: CacheStats {
                used: store.cells - store.free(),
                cells: store.cells,
                window_used: window_cells - window_free,
                window_cells,
                texts: store.sequences().len(),
                evictions: store.evictions,
            },
            speculation: SpeculationStats { drafted: counts.guessed.drafted, accepted: counts.guessed.accepted },
            experts: ExpertStats { wanted: experts.wanted, read: experts.read, bytes: experts.bytes },
            memory: Memory { gpu_bytes: engine.device.gpu_bytes(), wasm_bytes: platform::wasm_bytes() },
        }
    }
}
