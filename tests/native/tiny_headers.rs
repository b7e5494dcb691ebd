//! The header parser and the model configuration on every tiny model, good and bad.

use sotto::base::error::{Code, Error};
use sotto::file::gguf::HeaderParser;
use sotto::model::config::ModelConfig;
use tiny_models as tiny;

/// Reads a file as a download arrives: header first, then nothing but a count of bytes.
fn open(bytes: &[u8]) -> Result<ModelConfig, Error> {
    let mut parser = HeaderParser::new();
    for chunk in bytes.chunks(1000) {
        if let Some((header, _)) = parser.push(chunk)? {
            let config = ModelConfig::from_header(&header)?;
            if header.file_bytes > bytes.len() as u64 {
                return Err(Error::new(Code::Truncated, "the file ends early"));
            }
            return Ok(config);
        }
    }
    Err(parser.finish())
}

#[test]
fn good_models_open() {
    for spec in tiny::MODELS {
        let config = open(&tiny::build(spec.name).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", spec.name));
        let d = spec.dims;
        let found = (config.n_layers, config.n_embd, config.n_heads, config.n_kv_heads, config.head_dim, config.n_ff);
        let made = (d.n_layers, d.n_embd, d.n_heads, d.n_kv_heads, d.head_dim, d.n_ff);
        assert_eq!(format!("{found:?}"), format!("{made:?}"), "{}", spec.name);
        assert_eq!(config.tied_output, spec.tied, "{}", spec.name);
    }
}

/// What later stages find: the header itself is sound.
const LATER: [&str; 4] = ["unsupported_tokenizer", "bad_template", "no_template", "bad_logits"];

#[test]
fn bad_files_are_refused_with_their_code() {
    let mut wrong = Vec::new();
    for bad in tiny::bad::FILES {
        let found = open(&tiny::bad::build(bad.name).unwrap());
        let right = match &found {
            Err(error) => bad.codes.contains(&error.code.as_str()),
            Ok(_) => LATER.contains(&bad.codes[0]),
        };
        if !right {
            wrong.push(format!("{}: {:?}, not {}", bad.name, found.err(), bad.codes.join(" or ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
