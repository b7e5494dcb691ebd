//! LoRA adapters: an `adapter_config.json`, a zero byte, a file; without the first the file is GGUF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::file::adapter::AdapterParser;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(0);
    let Ok(config) = std::str::from_utf8(&bytes[..at]) else { return };
    let file = bytes.get(at + 1..).unwrap_or_default();
    let Ok(mut parser) = AdapterParser::new("llama", Some(config).filter(|config| !config.is_empty())) else { return };
    for piece in file.chunks(1009) {
        match parser.push(piece) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = parser.finish();
});
