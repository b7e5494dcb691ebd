//! Headers of GGUF files, which come in pieces: the first byte says how large these are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::file::gguf::HeaderParser;

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, file)) = bytes.split_first() else { return };
    let mut parser = HeaderParser::new();
    for piece in file.chunks(usize::from(size) + 1) {
        match parser.push(piece) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = parser.finish();
});
