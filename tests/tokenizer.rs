//! The tokenizers of the two real models against committed ids, and hostile vocabularies.

#[path = "common/models.rs"]
mod models;

use models::{GEMMA, SMOLLM2, metadata};
use serde_json::Value as Json;
use sotto::error::Code;
use sotto::gguf::{Metadata, Value};
use sotto::tokenizer::{EncodeOptions, StreamDecoder, Tokenizer};

const TEXT: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };
const RAW: EncodeOptions = EncodeOptions { add_special: true, parse_special: true };

fn load(file: &str) -> Tokenizer {
    Tokenizer::from_metadata(&mut metadata(file)).expect("the model's tokenizer loads")
}

/// Checks every entry `{text, add_special, parse_special, ids}` of a golden file.
fn check(tokenizer: &Tokenizer, golden: &str) {
    let path = format!("{}/tests/golden/{golden}", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let entries: Vec<Json> = serde_json::from_str(&json).expect("golden JSON parses");
    let mut wrong = Vec::new();
    for entry in &entries {
        let text = entry["text"].as_str().expect("text");
        let flag = |key: &str| entry[key].as_bool().expect("flag");
        let options = EncodeOptions { add_special: flag("add_special"), parse_special: flag("parse_special") };
        let want: Vec<u32> = serde_json::from_value(entry["ids"].clone()).expect("ids");
        let got = tokenizer.encode(text, options).expect("encodes");
        if got != want {
            let at = got.iter().zip(&want).take_while(|(a, b)| a == b).count();
            let names = |ids: &[u32]| {
                ids.iter()
                    .skip(at)
                    .take(8)
                    .map(|id| tokenizer.token_text(*id).unwrap_or("?").to_string())
                    .collect::<Vec<_>>()
            };
            wrong.push(format!("{text:.60?} {options:?}: from {at} got {:?}, want {:?}", names(&got), names(&want)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} texts differ:\n{}", wrong.len(), entries.len(), wrong.join("\n"));
}

#[test]
fn gemma_gives_the_golden_ids() {
    let tokenizer = load(GEMMA);
    assert_eq!(tokenizer.n_vocab(), 262_144);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(2), Some(1)));
    check(&tokenizer, "prompt_tokens_gemma.json");
}

#[test]
fn smollm2_gives_the_golden_ids() {
    let tokenizer = load(SMOLLM2);
    assert_eq!(tokenizer.n_vocab(), 49_152);
    assert!(tokenizer.eog_ids().contains(&2), "<|im_end|> ends a turn");
    check(&tokenizer, "prompt_tokens_smollm2.json");
}
