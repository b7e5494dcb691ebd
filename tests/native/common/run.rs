//! Loads a model as a download arrives, runs rows of tokens on it, and reads the golden files.

use std::path::PathBuf;

use pollster::block_on;
use serde::de::DeserializeOwned;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::model::store::SequenceId;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
pub use whole_models::described::Golden as TinyGolden;
pub use whole_models::{argmax, largest_difference, log_sum_exp, rows};

/// Makes a test on each backend of every function, which takes the [`Backend`].
macro_rules! on_both_backends {
    ($($test:ident),* $(,)?) => {
        mod webgpu {
            $(#[test] fn $test() { super::$test(sotto::device::Backend::Webgpu) })*
        }
        mod cpu {
            $(#[test] fn $test() { super::$test(sotto::device::Backend::Cpu) })*
        }
    };
}
pub(crate) use on_both_backends;

/// The GPU of an engine that was loaded on one.
pub fn gpu(engine: &Engine) -> &Gpu {
    engine.device.gpu().expect("an engine on a GPU")
}

/// Pushes the file in pieces of odd sizes.
pub fn load(file: &[u8], options: LoadOptions) -> Result<Engine> {
    block_on(whole_models::load(file, options))
}

/// Prefills `tokens` in a sequence of their own, in chunks of `chunk` rows; the logits of every one: [tokens][n_vocab].
pub fn prefill(engine: &mut Engine, tokens: &[u32], chunk: usize) -> Vec<f32> {
    block_on(whole_models::compute_alone(engine, tokens, chunk, true)).expect("logits")
}

/// Decodes `tokens` in a sequence of their own, one at a time.
pub fn decode(engine: &mut Engine, tokens: &[u32]) -> Vec<f32> {
    block_on(whole_models::compute_alone(engine, tokens, 1, false)).expect("logits")
}

/// The logits after every token of a sequence from `position` on.
pub fn compute(
    engine: &mut Engine,
    tokens: &[u32],
    sequence: SequenceId,
    position: u32,
    chunk: usize,
    prefill: bool,
) -> Vec<f32> {
    block_on(whole_models::compute(engine, tokens, sequence, position, chunk, prefill)).expect("logits")
}

/// A file of `tests/golden`.
pub fn golden<T: DeserializeOwned>(file: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
