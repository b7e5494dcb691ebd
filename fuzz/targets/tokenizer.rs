//! A `tokenizer.json`, and a text that is written and read with it: behind a zero byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::text::tokenizer::{EncodeOptions, Tokenizer};

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(at + 1..).unwrap_or_default());
    let Ok(tokenizer) = Tokenizer::from_json(&bytes[..at], None) else { return };
    let Ok(ids) = tokenizer.encode(&text, EncodeOptions { add_special: true, parse_special: true }) else { return };
    let _ = tokenizer.decode(&ids, true);
});
