//! The tokenizers of encoders against Hugging Face's library, BPE of characters, and all vocabularies of llama.cpp.

use crate::tokenizer::{RAW, TEXT, bpe, golden, load_vocab};
use serde_json::Value as Json;
use sotto::base::error::Code;
use sotto::file::gguf::HeaderParser;
use sotto::file::{Metadata, Value};
use sotto::text::tokenizer::Tokenizer;
use tiny_models as tiny;

#[test]
fn encoders_read_texts_and_pairs_as_hugging_face_has_it() {
    for (name, _) in tiny::vocab::ENCODERS {
        let tokenizer = load_vocab(name);
        for case in golden::<Vec<Json>>(&format!("encoder_{name}.json")) {
            let texts: Vec<String> = serde_json::from_value(case["texts"].clone()).expect("texts");
            let limit = case["limit"].as_u64().expect("a limit") as usize;
            let special = case["special"].as_bool().expect("a flag");
            let input = match texts.as_slice() {
                [text] => tokenizer.encode_text(text, limit, special),
                [first, second] => tokenizer.encode_pair(first, second, limit, special),
                _ => panic!("one text or two"),
            };
            let input = input.expect("it encodes");
            let names = || input.ids.iter().map(|id| tokenizer.token_text(*id).unwrap_or("?")).collect::<Vec<_>>();
            assert_eq!(serde_json::json!(input.ids), case["ids"], "{name} {limit} {texts:?}: {:?}", names());
            assert_eq!(serde_json::json!(input.types), case["types"], "{name} {limit} {texts:?}");
            for (key, keep_special) in [("decoded", false), ("decoded_special", true)] {
                // Hugging Face writes the blank before a first word behind a special token.
                if let Some(want) = case[key].as_str().filter(|_| !(keep_special && name == "unigram")) {
                    assert_eq!(tokenizer.decode(&input.ids, keep_special), want, "{name} {texts:?}");
                }
            }
        }
        let refused = tokenizer.encode_pair("a", "b", 2, false).unwrap_err();
        assert_eq!(refused.code, Code::BadOption, "{name}");
        assert!(tokenizer.encode_text("hello hello", 3, false).unwrap().truncated, "{name}");
        assert!(!tokenizer.encode_text("hello hello", 4, false).unwrap().truncated, "{name}");
        let mask = tokenizer.mask().expect("a mask");
        assert_eq!(tokenizer.encode_text(tokenizer.token_text(mask).unwrap(), 9, true).unwrap().ids[1], mask, "{name}");
        assert!(!tokenizer.encode("[MASK]<mask>", TEXT).unwrap().contains(&mask), "{name}");
    }
}

#[test]
fn encoders_read_long_and_hostile_texts() {
    let texts = [
        (" ".repeat(1_000_000) + "x", 1),
        ("a".repeat(1_000_000), 1),
        ("\u{301}".repeat(100_000), 0),
        ("世".repeat(100_000), 1),
        (".".repeat(100_000), 33_333),
        ("🇫🇷".repeat(30_000), 1),
        ("\u{2581}".repeat(100_000), 1),
        ("[MASK".repeat(30_000), 30_000),
    ];
    for name in ["wordpiece", "unigram"] {
        let tokenizer = load_vocab(name);
        for (text, fewest) in &texts {
            let ids = tokenizer.encode(text, RAW).unwrap();
            assert!(ids.len() >= fewest + 2 && ids.len() <= text.len() + 2, "{name}: {text:.9} gave {}", ids.len());
            assert!(tokenizer.fewest_tokens(text.len()) <= ids.len());
        }
    }
}

/// Files of before the keys, and those whose pieces nobody rewrote.
#[test]
fn encoders_need_no_keys_but_their_tokens() {
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##s", "world", "é", "a"];
    let load = |tokens: &[&str], lowercase: Option<bool>| {
        let mut metadata = Metadata::default();
        metadata.insert("tokenizer.ggml.model", Value::Str("bert".into()));
        metadata.insert("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(ToString::to_string).collect()));
        if let Some(flag) = lowercase {
            metadata.insert("tokenizer.ggml.normalizer.lowercase", Value::Bool(flag));
        }
        Tokenizer::from_metadata(&mut metadata).unwrap()
    };
    let tokenizer = load(&tokens, None);
    assert_eq!(tokenizer.encode("Hellos É world", RAW).unwrap(), [2, 5, 6, 8, 7, 3], "the vocabulary has marks");
    assert_eq!(load(&tokens[..8], None).encode("Hellós", TEXT).unwrap(), [5, 6], "and this one has none");
    assert_eq!(load(&tokens, Some(false)).encode("Hello world", TEXT).unwrap(), [1, 7]);
    assert_eq!(tokenizer.named_tokens().filter(|(_, id)| id.is_some()).count(), 7);
    assert_eq!((tokenizer.mask(), tokenizer.bos(), tokenizer.eos()), (Some(4), Some(2), Some(3)));
    assert!(tokenizer.is_special(4) && !tokenizer.is_special(5));
    assert_eq!(tokenizer.encode("[CLS]", TEXT).unwrap(), [1, 1, 1], "control tokens are out of reach");
    assert_eq!(tokenizer.decode(&[2, 5, 6, 7, 3], false), "hellos world");
    let rewritten = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁hello", "s", "▁world", "▁é", "▁a"];
    let tokenizer = load(&rewritten, None);
    assert_eq!(tokenizer.encode("Hellos É world", RAW).unwrap(), [2, 5, 6, 8, 7, 3]);
    assert_eq!(tokenizer.token_text(6), Some("##s"));
    // No unknown token, no end: what has no token is left out.
    assert_eq!(load(&["x"], None).encode("x y", RAW).unwrap(), [0]);
}

/// A mask takes the blanks before it where blanks are part of words.
#[test]
fn a_mask_stands_where_its_word_would() {
    let mut metadata = bpe("modern-bert", &["Ġ a"]);
    let mut tokens = metadata.take_strings("tokenizer.ggml.tokens").unwrap().unwrap();
    let first = tokens.len() as u32;
    let roles = [("bos", "[CLS]"), ("eos", "[SEP]"), ("mask", "[MASK]")];
    let kinds = (0..first).map(|_| 1).chain(roles.iter().map(|_| 3)).collect();
    for (at, (role, text)) in roles.iter().enumerate() {
        tokens.push(text.to_string());
        metadata.insert(format!("tokenizer.ggml.{role}_token_id"), Value::U64(u64::from(first) + at as u64));
        metadata.insert(format!("tokenizer.ggml.add_{role}_token"), Value::Bool(true));
    }
    metadata.insert("tokenizer.ggml.tokens", Value::Strings(tokens));
    metadata.insert("tokenizer.ggml.token_type", Value::Ints(kinds));
    let tokenizer = Tokenizer::from_metadata(&mut metadata).unwrap();
    let texts = |ids: &[u32]| ids.iter().map(|id| tokenizer.token_text(*id).unwrap()).collect::<Vec<_>>().join("|");
    assert_eq!(texts(&tokenizer.encode("x a [MASK] a", RAW).unwrap()), "[CLS]|x|Ġa|[MASK]|Ġa|[SEP]");
    assert_eq!(texts(&tokenizer.encode_pair("x", "y", 9, true).unwrap().ids), "[CLS]|x|[SEP]|y|[SEP]");
}

/// BPE of characters: blanks as SentencePiece writes them, merges by their rank, bytes for the rest.
#[test]
fn characters_merge_by_rank() {
    let tokens = ["<bos>", "\n", "\n\n", "▁", "a", "b", "▁a", "ab", "bb", "▁ab", "<0xC3>", "<0xA9>"];
    let mut metadata = Metadata::default();
    metadata.insert("tokenizer.ggml.model", Value::Str("gemma4".into()));
    metadata.insert("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(ToString::to_string).collect()));
    metadata.insert("tokenizer.ggml.token_type", Value::Ints(vec![3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6, 6]));
    metadata.insert("tokenizer.ggml.bos_token_id", Value::U64(0));
    let merges = ["b b", "a b", "▁ a", "▁ ab"];
    metadata.insert("tokenizer.ggml.merges", Value::Strings(merges.iter().map(ToString::to_string).collect()));
    let tokenizer = Tokenizer::from_metadata(&mut metadata.clone()).unwrap();
    assert_eq!(tokenizer.encode(" abab", RAW).unwrap(), [0, 9, 7]);
    assert_eq!(tokenizer.encode("abb a", TEXT).unwrap(), [4, 8, 6]);
    assert_eq!(tokenizer.encode("\n\né\n", TEXT).unwrap(), [2, 10, 11, 1]);
    assert_eq!(tokenizer.decode(&[0, 9, 7, 2, 10, 11], false), " abab\n\né");
    metadata.insert("tokenizer.ggml.merges", Value::Strings(vec!["a z".into()]));
    assert_eq!(Tokenizer::from_metadata(&mut metadata).err().unwrap().code, Code::BadMetadata);
}

/// A proof by hand: `SOTTO_VOCABS` names the folder `models` of llama.cpp's source package.
#[test]
fn the_vocabularies_of_llama_cpp_give_its_ids() {
    const BETWEEN: &str = "\n__ggml_vocab_test__\n";
    let Ok(folder) = std::env::var("SOTTO_VOCABS") else { return };
    let read = |path: &str| std::fs::read_to_string(path).expect("a file");
    let others = read(&format!("{folder}/ggml-vocab-gpt-2.gguf.inp"));
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path().display().to_string();
        if !path.ends_with(".gguf") {
            continue;
        }
        let file = std::fs::read(&path).expect("a vocabulary");
        let (mut header, _) = HeaderParser::new().push(&file).expect("it parses").expect("it is whole");
        let model = header.catalog.metadata.str("tokenizer.ggml.model").unwrap().unwrap_or_default().to_string();
        let tokenizer = Tokenizer::from_metadata(&mut header.catalog.metadata).expect("its tokenizer loads");
        let cases = std::path::Path::new(&format!("{path}.inp")).exists();
        let texts = if cases { read(&format!("{path}.inp")) } else { others.clone() };
        let ids = if cases { read(&format!("{path}.out")) } else { String::new() };
        let mut wanted = ids.lines();
        for text in texts.split(BETWEEN) {
            let ids = tokenizer.encode(text, TEXT).unwrap();
            if let Some(line) = wanted.next() {
                let want: Vec<u32> = line.split_whitespace().map(|id| id.parse().expect("an id")).collect();
                assert_eq!(ids, want, "{path}: {text:?}");
            }
            // Encoders change texts before they cut them.
            if !matches!(model.as_str(), "bert" | "t5") {
                assert_eq!(tokenizer.decode(&ids, false), text, "{path}");
            }
        }
        println!("{path}: {} cases", texts.split(BETWEEN).count());
    }
}

#[test]
fn broken_maps_of_characters_do_no_harm() {
    let fails = |mut metadata: Metadata| Tokenizer::from_metadata(&mut metadata).err().expect("an error").code;
    let with = |mut metadata: Metadata, key: &str, value: Value| {
        metadata.insert(format!("tokenizer.ggml.{key}"), value);
        metadata
    };
    let (file, _) = HeaderParser::new().push(&tiny::vocab::alone("unigram").unwrap()).unwrap().unwrap();
    let unigram = || file.catalog.metadata.clone();
    let Some(Value::Ints(map)) = unigram().get("tokenizer.ggml.precompiled_charsmap").cloned() else { panic!("a map") };
    assert!(Tokenizer::from_metadata(&mut unigram()).is_ok());
    // A map that ends early or leads out of itself, and every one with a wrong byte, is refused or read without harm.
    for length in [1, 4, 5, 300, 1027, 1028] {
        assert_eq!(
            fails(with(unigram(), "precompiled_charsmap", Value::Ints(map[..length].to_vec()))),
            Code::BadMetadata
        );
    }
    for at in 0..map.len() {
        let mut broken = map.clone();
        broken[at] ^= 0xff;
        if let Ok(tokenizer) =
            Tokenizer::from_metadata(&mut with(unigram(), "precompiled_charsmap", Value::Ints(broken)))
        {
            tokenizer.encode("\u{ff21}\u{ff76}\u{ff9e}e\u{301} \u{2122}½\t…\u{ad}Å", TEXT).unwrap();
        }
    }
    assert_eq!(fails(with(unigram(), "scores", Value::Floats(vec![0.0]))), Code::BadMetadata);
    assert_eq!(fails(with(unigram(), "scores", Value::Floats(vec![f32::NAN; 400]))), Code::BadMetadata);
    let odd = vec![f32::NEG_INFINITY; 400];
    let tokenizer = Tokenizer::from_metadata(&mut with(unigram(), "scores", Value::Floats(odd))).unwrap();
    assert!(tokenizer.encode("hello é world", RAW).is_ok());
}
