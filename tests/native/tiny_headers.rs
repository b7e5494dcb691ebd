//! The header parser and the model configuration on every tiny model, good and bad.

use sotto::base::error::{Code, Error};
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::model::spec::Net;
use tiny_models as tiny;

/// Reads a file as a download arrives: header first, then nothing but a count of bytes.
fn open(bytes: &[u8]) -> Result<Net, Error> {
    let mut parser = HeaderParser::new();
    for chunk in bytes.chunks(1000) {
        if let Some((header, _)) = parser.push(chunk)? {
            let net = model::read(&header.catalog)?;
            if header.catalog.file_bytes > bytes.len() as u64 {
                return Err(Error::new(Code::Truncated, "the file ends early"));
            }
            return Ok(net);
        }
    }
    Err(parser.finish())
}

#[test]
fn good_models_open() {
    for spec in tiny::MODELS {
        let net = open(&tiny::build(spec.name).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", spec.name));
        let d = spec.dims;
        assert_eq!((net.blocks.len(), net.n_embd as usize), (d.n_layers, d.n_embd), "{}", spec.name);
        for (layer, block) in net.blocks.iter().enumerate() {
            let (attention, dense, d) =
                (block.attention().expect("attention"), block.dense().expect("a network"), spec.layer(layer));
            let found = [attention.n_heads, attention.n_kv_heads, attention.head_dim, dense.n_ff];
            let made = [d.n_heads, d.n_kv_heads, d.head_dim, d.n_ff];
            assert_eq!(found.map(|size| size as usize), made, "{}, layer {layer}", spec.name);
        }
        assert_eq!(net.tied_output, spec.tied, "{}", spec.name);
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
