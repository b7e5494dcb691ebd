//! The two real models, from `models/` in the repository root. A test that needs one fails
//! without it: `node tools/fetch-models.mjs` fetches both.

use std::io::Read;
use std::path::PathBuf;

use sotto::file::Metadata;
use sotto::file::gguf::HeaderParser;

pub const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
pub const GEMMA: &str = "gemma-3-270m-q4_k_m.gguf";

pub fn path(file: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models").join(file);
    assert!(path.exists(), "{} is missing; run `node tools/fetch-models.mjs`, which fetches it.", path.display());
    path
}

/// The metadata of a model; reads no further than the header.
pub fn metadata(file: &str) -> Metadata {
    let mut reader = std::fs::File::open(path(file)).expect("the model opens");
    let mut parser = HeaderParser::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut chunk).expect("the model reads");
        assert!(read > 0, "the header is cut: {}", parser.finish());
        if let Some((header, _)) = parser.push(&chunk[..read]).expect("the header parses") {
            return header.catalog.metadata;
        }
    }
}
