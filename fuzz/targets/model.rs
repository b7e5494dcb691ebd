//! Whole models by their headers: loaded on the CPU with weights that are made up, of which two tokens are computed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollster::block_on;
use sotto::device::{Backend, CpuOptions};
use sotto::file::gguf::HeaderParser;
use sotto::run::loader::LoadOptions;

/// Larger ones would take the time of many.
const MOST_BYTES: u64 = 4 << 20;
/// Numbers of about 1 or less in all types.
const WEIGHT: u8 = 0x3c;

fuzz_target!(|header: &[u8]| {
    let Ok(Some((read, _))) = HeaderParser::new().push(header) else { return };
    let bytes = read.catalog.file_bytes;
    if bytes > MOST_BYTES {
        return;
    }
    let mut file = header.to_vec();
    file.resize(bytes as usize, WEIGHT);
    let cpu = CpuOptions { threads: Some(1), ..Default::default() };
    let options =
        LoadOptions { backend: Backend::Cpu, cpu, context: Some(64), context_at_most: true, ..Default::default() };
    let Ok(mut engine) = block_on(whole_models::load(&file, options)) else { return };
    let _ = block_on(whole_models::compute_alone(&mut engine, &[1, 2], 2, true));
});
