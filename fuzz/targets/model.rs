//! Whole models, loaded on the CPU, of which two tokens are computed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollster::block_on;
use sotto::device::Backend;
use sotto::run::loader::LoadOptions;

fuzz_target!(|file: &[u8]| {
    let options = LoadOptions { backend: Backend::Cpu, context: Some(64), context_at_most: true, ..Default::default() };
    let Ok(mut engine) = block_on(whole_models::load(file, options)) else { return };
    let _ = block_on(whole_models::compute_alone(&mut engine, &[1, 2], 2, true));
});
