//! Tokenizers of Hugging Face's `tokenizer.json`, against its own library.

use std::path::PathBuf;

use crate::common::memory::cost;
use serde_json::{Value as Json, json};
use sotto::base::error::Code;
use sotto::file::Metadata;
use sotto::text::tokenizer::json::{Beside, keys};
use sotto::text::tokenizer::{EncodeOptions, Tokenizer};

/// Of `tokenizer_json/cases.json`, or of a folder with others for a proof by hand (`make_tokenizer_json.py FOLDER`).
fn folder() -> PathBuf {
    let golden = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tokenizer_json").into();
    std::env::var_os("SOTTO_TOKENIZERS").map_or_else(golden, PathBuf::from)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.json"))).expect("the file")
}

#[test]
fn each_kind_gives_the_tokens_of_hugging_face() {
    let cases: Json = serde_json::from_slice(&read("cases")).expect("JSON");
    let texts: Vec<&str> = cases["texts"].as_array().expect("texts").iter().filter_map(Json::as_str).collect();
    let mut wrong = Vec::new();
    for (name, row) in cases["tokenizers"].as_object().expect("tokenizers") {
        let tokenizer = Tokenizer::from_json(&read(name), None).unwrap_or_else(|e| panic!("{name}: {e}"));
        let names =
            |ids: &[u32]| ids.iter().map(|id| tokenizer.token_text(*id).unwrap_or("?")).collect::<Vec<_>>().join("|");
        let ids = |ids: &Json| serde_json::from_value::<Vec<u32>>(ids.clone()).expect("ids");
        for (at, text) in texts.iter().enumerate() {
            let options = EncodeOptions { add_special: false, parse_special: true };
            let (found, want) = (tokenizer.encode(text, options).expect("it encodes"), ids(&row["plain"][at]));
            if found != want {
                wrong.push(format!(
                    "{name}: {text:.60?} became {:.200} instead of {:.200}",
                    names(&found),
                    names(&want)
                ));
            }
            let want = row["decoded"].get(at.to_string()).map_or(*text, |text| text.as_str().expect("a text"));
            let back = tokenizer.decode(&ids(&row["plain"][at]), false);
            if back != want {
                wrong.push(format!("{name}: the tokens of {text:.60?} became {back:.200?} instead of {want:.200?}"));
            }
        }
        for case in row["framed"].as_array().expect("cases") {
            let texts: Vec<&str> = case[0].as_array().expect("texts").iter().filter_map(Json::as_str).collect();
            let found = match texts.as_slice() {
                [text] => tokenizer.encode_text(text, 4096, true),
                [first, second] => tokenizer.encode_pair(first, second, 4096, true),
                _ => panic!("one text or two"),
            };
            let found = found.expect("it encodes");
            if json!([found.ids, found.types]) != json!([case[1], case[2]]) {
                let want = names(&ids(&case[1]));
                wrong.push(format!(
                    "{name}: {texts:?} became {} instead of {want}, {:?}",
                    names(&found.ids),
                    found.types
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What stands beside it says which tokens have a role, and whether texts begin with one.
#[test]
fn the_files_beside_say_what_tokens_are_for() {
    let config = json!({
        "bos_token": { "content": "<s>" }, "eos_token": "</s>", "unk_token": "<unk>", "pad_token": null,
        "add_bos_token": false, "add_eos_token": true,
    });
    let tokenizer = Tokenizer::from_json(&read("llama2"), Some(config.to_string().as_bytes())).expect("a tokenizer");
    let id = |text: &str| tokenizer.token_id(text);
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.adds_bos()), (id("<s>"), id("</s>"), false));
    let input = tokenizer.encode_text("a", 9, false).expect("it encodes");
    let begun = tokenizer.encode("a", EncodeOptions::default()).expect("it encodes");
    assert_eq!((input.ids.first(), input.ids.last().copied()), (begun.first(), id("</s>")));
    // Without it, what stands around texts tells.
    let tokenizer = Tokenizer::from_json(&read("bert"), None).expect("a tokenizer");
    assert_eq!(tokenizer.mask(), tokenizer.token_id("[MASK]"));
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (tokenizer.token_id("[CLS]"), tokenizer.token_id("[SEP]")));
    // Other files number what ends a reply; the network has more rows, or not those of the last token.
    let generation = json!({ "eos_token_id": [2, 5, 9], "bos_token_id": 1 });
    for rows in [1000, 857] {
        let beside = Beside { configs: [None, generation.as_object(), None], rows: Some(rows) };
        let mut metadata = Metadata::default();
        keys(&read("llama2"), &beside, &mut metadata).expect("a tokenizer");
        let tokenizer = Tokenizer::from_metadata(&mut metadata).expect("a tokenizer");
        assert_eq!((tokenizer.n_vocab() as u64, tokenizer.bos(), tokenizer.eos()), (rows, Some(1), Some(2)));
        assert!([2, 5, 9].iter().all(|end| tokenizer.eog_ids().contains(end)), "{:?}", tokenizer.eog_ids());
    }
}

/// Shapes are claims of a few bytes; a token of each row takes memory.
#[test]
fn a_network_of_far_more_rows_than_tokens_is_refused() {
    let tokenizer = read("smollm");
    let count = Tokenizer::from_json(&tokenizer, None).expect("a tokenizer").n_vocab() as u64;
    let with = |rows| keys(&tokenizer, &Beside { rows: Some(rows), ..Beside::default() }, &mut Metadata::default());
    assert_eq!(with(count + 1000), Ok(()));
    for rows in [3 * count + 2000, 1 << 24, u64::MAX] {
        let (done, peak, _) = cost(|| with(rows));
        let error = done.expect_err("it is refused");
        assert!(error.code == Code::BadMetadata && error.message.contains(&rows.to_string()), "{error}");
        assert!(peak < 64 << 20, "{rows} rows took {peak} bytes");
    }
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    let file = |name: &str, change: &dyn Fn(&mut Json)| {
        let mut file: Json = serde_json::from_slice(&read(name)).expect("JSON");
        change(&mut file);
        Tokenizer::from_json(file.to_string().as_bytes(), None).map(|_| ())
    };
    let refused = |name: &str, code: Code, what: &str, change: &dyn Fn(&mut Json)| {
        let error = file(name, change).expect_err("it is refused");
        assert!(error.code == code && error.message.contains(what), "{error}");
    };
    let unsupported = Code::UnsupportedTokenizer;
    refused("llama3", unsupported, "Lowercase", &|file| file["normalizer"] = json!({ "type": "Lowercase" }));
    refused("llama3", unsupported, "[a-z]+", &|file| {
        file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!("[a-z]+");
    });
    refused("llama3", unsupported, "WordLevel", &|file| file["model"]["type"] = json!("WordLevel"));
    refused("llama3", unsupported, "</w>", &|file| file["model"]["end_of_word_suffix"] = json!("</w>"));
    refused("bert", unsupported, "##", &|file| file["model"]["continuing_subword_prefix"] = json!("@@"));
    refused("bert", unsupported, "Whitespace", &|file| file["pre_tokenizer"] = json!({ "type": "Whitespace" }));
    refused("gemma", unsupported, "bytes for the rest", &|file| file["model"]["byte_fallback"] = json!(false));
    refused("xlm-roberta", unsupported, "blanks", &|file| file["pre_tokenizer"] = json!(null));
    refused("llama2", unsupported, "whole word", &|file| file["added_tokens"][0]["single_word"] = json!(true));
    refused("llama2", unsupported, "around a text", &|file| {
        let token = file["post_processor"]["single"][0].clone();
        file["post_processor"]["single"].as_array_mut().expect("parts").insert(0, token);
    });
    let bad = Code::BadMetadata;
    refused("llama2", bad, "numbers", &|file| file["added_tokens"][0]["id"] = json!(4_000_000_000_u32));
    refused("llama2", bad, "<none>", &|file| {
        file["post_processor"]["single"][0]["SpecialToken"]["id"] = json!("<none>");
    });
    refused("llama2", bad, "merges", &|file| file["model"]["merges"] = json!([["x", "none such"]]));
    refused("llama2", bad, "cannot be read", &|file| file["model"]["vocab"] = json!(3));
    // cspell:ignore BAAAAP
    refused("xlm-roberta", bad, "map of characters", &|file| {
        file["normalizer"]["normalizers"][0]["precompiled_charsmap"] = json!("BAAAAP////8=");
    });
    let cut = read("gemma");
    let error = Tokenizer::from_json(&cut[..cut.len() / 2], None).map(|_| ()).expect_err("half a file");
    assert!(error.code == bad && error.message.contains("tokenizer.json"), "{error}");
    let error = Tokenizer::from_json(&cut, Some(b"[")).map(|_| ()).expect_err("no configuration");
    assert!(error.message.contains("tokenizer_config.json"), "{error}");
}
