//! The tokenizers of the two real models against committed ids, and hostile vocabularies.

use crate::common::models::{GEMMA, SMOLLM2, metadata};
use serde_json::Value as Json;
use sotto::base::error::Code;
use sotto::file::gguf::HeaderParser;
use sotto::file::{Metadata, Value};
use sotto::text::tokenizer::{EncodeOptions, StreamDecoder, Tokenizer};
use tiny_models as tiny;

pub const TEXT: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };
pub const RAW: EncodeOptions = EncodeOptions { add_special: true, parse_special: true };

fn load(file: &str) -> Tokenizer {
    Tokenizer::from_metadata(&mut metadata(file)).expect("the model's tokenizer loads")
}

fn load_tiny(model: &str) -> Tokenizer {
    let file = tiny::build(model).expect("a tiny model of this name");
    let (mut header, _) = HeaderParser::new().push(&file).expect("it parses").expect("it is whole");
    Tokenizer::from_metadata(&mut header.catalog.metadata).expect("its tokenizer loads")
}

pub fn load_vocab(name: &str) -> Tokenizer {
    let file = tiny::vocab::alone(name).expect("a vocabulary of this name");
    let (mut header, _) = HeaderParser::new().push(&file).expect("it parses").expect("it is whole");
    Tokenizer::from_metadata(&mut header.catalog.metadata).expect("its tokenizer loads")
}

pub fn golden<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&json).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Collects the texts whose ids differ from the golden ones.
struct Check<'a> {
    tokenizer: &'a Tokenizer,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn text(&mut self, text: &str, options: EncodeOptions, want: &Json) {
        let mut want: Vec<u32> = serde_json::from_value(want.clone()).expect("ids");
        // llama.cpp puts BOS before a text that begins with it; for us once is enough.
        let bos = self.tokenizer.bos().filter(|_| options.add_special && self.tokenizer.adds_bos());
        if want.len() > 1 && bos == Some(want[0]) && bos == Some(want[1]) {
            want.remove(0);
        }
        let got = self.tokenizer.encode(text, options).expect("it encodes");
        if got != want {
            let at = got.iter().zip(&want).take_while(|(a, b)| a == b).count();
            let names = |ids: &[u32]| -> Vec<String> {
                let ids = ids.iter().skip(at).take(8);
                ids.map(|id| self.tokenizer.token_text(*id).unwrap_or("?").to_string()).collect()
            };
            self.wrong.push(format!(
                "{text:.60?} {options:?}: from {at} got {:?}, want {:?}",
                names(&got),
                names(&want)
            ));
        }
    }
}

/// Checks entries `{text, add_special, parse_special, ids}` made by llama.cpp.
fn check_tokens(tokenizer: &Tokenizer, file: &str) {
    let mut check = Check { tokenizer, wrong: Vec::new() };
    for entry in golden::<Vec<Json>>(file) {
        let flag = |key: &str| entry[key].as_bool().expect("a flag");
        let options = EncodeOptions { add_special: flag("add_special"), parse_special: flag("parse_special") };
        check.text(entry["text"].as_str().expect("a text"), options, &entry["ids"]);
    }
    assert!(check.wrong.is_empty(), "{file}: {} texts differ:\n{}", check.wrong.len(), check.wrong.join("\n"));
}

/// Checks the prompts of a model's golden runs, special tokens parsed and not.
fn check_prompts(tokenizer: &Tokenizer, file: &str) {
    let mut check = Check { tokenizer, wrong: Vec::new() };
    for entry in golden::<Vec<Json>>(file) {
        for (parse_special, ids) in [(true, "token_ids"), (false, "token_ids_no_special")] {
            let options = EncodeOptions { add_special: true, parse_special };
            check.text(entry["text"].as_str().expect("a text"), options, &entry[ids]);
        }
    }
    assert!(check.wrong.is_empty(), "{file}: {} texts differ:\n{}", check.wrong.len(), check.wrong.join("\n"));
}

#[test]
fn gemma_gives_the_golden_ids() {
    let tokenizer = load(GEMMA);
    assert_eq!(tokenizer.n_vocab(), 262_144);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(2), Some(1)));
    check_prompts(&tokenizer, "gemma3-270m.json");
    check_tokens(&tokenizer, "tokens_gemma3.json");
}

#[test]
fn smollm2_gives_the_golden_ids() {
    let tokenizer = load(SMOLLM2);
    assert_eq!(tokenizer.n_vocab(), 49_152);
    check_prompts(&tokenizer, "smollm2-135m.json");
    check_tokens(&tokenizer, "tokens_smollm2.json");
}

#[test]
fn the_tiny_vocabularies_give_the_golden_ids() {
    let models = [
        ("llama-f32", "bpe"),
        ("llama-linear-f32", "bpe_gpt2"),
        ("llama3-f32", "bpe_llama3"),
        ("qwen2-f32", "bpe_qwen2"),
        ("llama-spm-f32", "spm"),
        ("gemma3-f32", "gemma"),
    ];
    for (model, vocab) in models {
        check_tokens(&load_tiny(model), &format!("tokens_tiny_{vocab}.json"));
    }
    for (name, _) in tiny::vocab::OTHERS {
        check_tokens(&load_vocab(name), &format!("tokens_{name}.json"));
    }
}

#[test]
fn generation_ends_at_the_golden_ids() {
    let ends: std::collections::HashMap<String, Vec<u32>> = golden("eog.json");
    assert_eq!(load(SMOLLM2).eog_ids(), ends["smollm2"]);
    assert_eq!(load(GEMMA).eog_ids(), ends["gemma3"]);
    assert_eq!(load_tiny("llama-f32").eog_ids(), ends["tiny_bpe"]);
    assert_eq!(load_tiny("llama-spm-f32").eog_ids(), ends["tiny_spm"]);
    assert_eq!(load_tiny("gemma3-f32").eog_ids(), ends["tiny_gemma"]);
    for (name, _) in tiny::vocab::OTHERS {
        assert_eq!(load_vocab(name).eog_ids(), ends[name], "{name}");
    }
}

#[test]
fn text_comes_back_as_it_was() {
    let texts = [
        "The quick brown fox.",
        " leading and trailing ",
        "人工智能正在改变世界。今天，我们来讨论",
        "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n\n\n\t\tx",
        "👩‍👩‍👧‍👦 🇫🇷 ½ → ∞ naïve ﬁ \u{200b}",
        "            many      blanks\r\n\r\n\t \t\u{a0}\u{3000}end",
        "<|im_end|> <eos> <start_of_turn> </s> <0x41> <unk>",
        "\0\u{1}\u{7f}\u{ad}\u{fffd}\u{10ffff}",
        "",
    ];
    let real = [GEMMA, SMOLLM2].map(|model| (model, load(model)));
    let small = ["tiny_rwkv", "tiny_plamo"].map(|name| (name, load_vocab(name)));
    for (model, tokenizer) in real.into_iter().chain(small) {
        for text in texts {
            let ids = tokenizer.encode(text, TEXT).unwrap();
            assert_eq!(tokenizer.decode(&ids, false), text, "{model}");
            assert!(ids.iter().all(|id| !tokenizer.is_special(*id)), "{model}: {text:?} gave a control token");
            let mut stream = StreamDecoder::new(false);
            let mut streamed = String::new();
            for id in ids {
                let part = stream.push(&tokenizer, id);
                assert!(
                    text == "\0\u{1}\u{7f}\u{ad}\u{fffd}\u{10ffff}" || !part.contains('\u{fffd}'),
                    "{model}: {part:?}"
                );
                streamed += &part;
            }
            assert_eq!(streamed + &stream.finish(), text, "{model}");
        }
    }
}

#[test]
fn random_texts_come_back_without_control_tokens() {
    // Not among them: `▁`, which SentencePiece cannot tell from a space.
    let parts = [
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "a",
        "The",
        " the",
        "'s",
        "'LL",
        "1",
        "42",
        "é",
        "e\u{301}",
        "中",
        "文字",
        "🙂",
        "👩\u{200d}👧",
        "\u{a0}",
        "Ġ",
        "<",
        ">",
        "|",
        "<|im_end|>",
        "<|im_",
        "start|>",
        "<eos>",
        "</s>",
        "<unk>",
        "<0x41>",
        "<start_of_turn>",
        "<unused7>",
        "[multimodal]",
        "\0",
        "\u{ad}",
        "\u{fffd}",
        "{",
        "==",
        "...",
        "_",
        "https://",
    ];
    let mut random = tiny::gguf::Rng::named("texts");
    for model in [GEMMA, SMOLLM2] {
        let tokenizer = load(model);
        for _ in 0..2_000 {
            let text: String = (0..random.next() % 24).map(|_| parts[random.next() as usize % parts.len()]).collect();
            let ids = tokenizer.encode(&text, TEXT).unwrap();
            assert!(ids.iter().all(|id| !tokenizer.is_special(*id)), "{model}: {text:?} gave a control token");
            assert_eq!(tokenizer.decode(&ids, false), text, "{model}");
            let ids = tokenizer.encode(&text, EncodeOptions { add_special: false, parse_special: true }).unwrap();
            assert_eq!(tokenizer.decode(&ids, true), text, "{model}");
        }
    }
}

/// A vocabulary of SentencePiece form: pieces with scores, and `<0x00>`… as asked.
fn spm(pieces: &[(&str, f32, i64)]) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.insert("tokenizer.ggml.model", Value::Str("llama".into()));
    metadata.insert("tokenizer.ggml.tokens", Value::Strings(pieces.iter().map(|p| p.0.to_string()).collect()));
    metadata.insert("tokenizer.ggml.scores", Value::Floats(pieces.iter().map(|p| p.1).collect()));
    metadata.insert("tokenizer.ggml.token_type", Value::Ints(pieces.iter().map(|p| p.2).collect()));
    metadata
}

fn encoded(metadata: &mut Metadata, text: &str, options: EncodeOptions) -> Vec<u32> {
    Tokenizer::from_metadata(metadata).unwrap().encode(text, options).unwrap()
}

#[test]
fn pieces_merge_by_score_then_from_the_left() {
    let pieces = [
        ("<unk>", 0.0, 2),
        ("<s>", 0.0, 3),
        ("</s>", 0.0, 3),
        ("a", -10.0, 1),
        ("b", -10.0, 1),
        ("aa", -2.0, 1),
        ("ab", -1.0, 1),
        ("aaa", -2.0, 1),
    ];
    let metadata = || {
        let mut metadata = spm(&pieces);
        metadata.insert("tokenizer.ggml.add_space_prefix", Value::Bool(false));
        metadata
    };
    assert_eq!(encoded(&mut metadata(), "aab", TEXT), [3, 6], "ab has the better score");
    assert_eq!(encoded(&mut metadata(), "aaaa", TEXT), [7, 3], "equal scores: the leftmost pair first");
    assert_eq!(encoded(&mut metadata(), "a?b", TEXT), [3, 0, 4], "what has no token and no bytes is <unk>");
    assert_eq!(encoded(&mut metadata(), "ab</s>", TEXT), [6, 0, 0, 0, 0], "control tokens are out of reach");
    assert_eq!(encoded(&mut metadata(), "ab</s>", RAW), [1, 6, 2]);
    let mut whole = spm(&[("<unk>", 0.0, 2), ("x", 0.0, 1), ("<0x3F>", 0.0, 6), ("\u{2581}", 0.0, 1), ("<s>", 0.0, 3)]);
    whole.insert("tokenizer.ggml.bos_token_id", Value::U64(4));
    let tokenizer = Tokenizer::from_metadata(&mut whole).unwrap();
    assert_eq!(
        tokenizer.encode("x?", RAW).unwrap(),
        [4, 3, 1, 2],
        "a blank goes before the first word; bytes have tokens"
    );
    assert_eq!(tokenizer.encode("x<s>x", RAW).unwrap(), [4, 3, 1, 4, 3, 1], "and after each special token");
    assert_eq!(tokenizer.decode(&[4, 3, 1, 2], false), "x?");
    assert_eq!(tokenizer.decode(&[4, 3, 1, 2], true), "<s>x?");
}

#[test]
fn half_characters_wait_for_the_other_half() {
    let mut pieces = vec![("<unk>".to_string(), 2)];
    pieces.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    pieces.push(("x".to_string(), 1));
    let list: Vec<(&str, f32, i64)> = pieces.iter().map(|(text, kind)| (text.as_str(), 0.0, *kind)).collect();
    let tokenizer = Tokenizer::from_metadata(&mut spm(&list)).unwrap();
    let stream = |bytes: &[u8]| {
        let mut decoder = StreamDecoder::new(false);
        let mut parts: Vec<String> = bytes.iter().map(|byte| decoder.push(&tokenizer, u32::from(*byte) + 1)).collect();
        parts.push(decoder.finish());
        parts
    };
    assert_eq!(stream("é🦀".as_bytes()), ["", "é", "", "", "", "🦀", ""]);
    assert_eq!(stream(&[0xf0, 0x9f, b'a']), ["", "", "\u{fffd}a", ""]);
    assert_eq!(stream(&[0xff, b'a', 0xe2, 0x82]), ["\u{fffd}", "a", "", "", "\u{fffd}"]);
    assert_eq!(stream(&[0x80]), ["\u{fffd}", ""]);
    // Unknown ids and control tokens are no text.
    let mut decoder = StreamDecoder::new(false);
    assert_eq!(decoder.push(&tokenizer, 4_000_000), "");
    assert_eq!(decoder.push(&tokenizer, 0), "");
    assert_eq!(StreamDecoder::new(true).push(&tokenizer, 0), "<unk>");
}

/// A byte-level vocabulary: every letter, then what the merges make.
pub fn bpe(pre: &str, merges: &[&str]) -> Metadata {
    let letters = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff).chain(0x100..=0x143);
    let mut tokens: Vec<String> = letters.filter_map(char::from_u32).map(String::from).collect();
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut metadata = Metadata::default();
    metadata.insert("tokenizer.ggml.model", Value::Str("gpt2".into()));
    metadata.insert("tokenizer.ggml.pre", Value::Str(pre.into()));
    metadata.insert("tokenizer.ggml.tokens", Value::Strings(tokens));
    metadata.insert("tokenizer.ggml.merges", Value::Strings(merges.iter().map(ToString::to_string).collect()));
    metadata
}

#[test]
fn pre_tokenizers_cut_where_their_models_do() {
    let merges = ["1 2", "12 3", "123 4", "' S", "a 'S"];
    let words = |pre: &str, text: &str| {
        let tokenizer = Tokenizer::from_metadata(&mut bpe(pre, &merges)).unwrap();
        let ids = tokenizer.encode(text, TEXT).unwrap();
        ids.iter().map(|id| tokenizer.token_text(*id).unwrap().to_string()).collect::<Vec<_>>().join("|")
    };
    assert_eq!(words("gpt-2", "12345"), "1234|5");
    assert_eq!(words("smollm", "12345"), "1|2|3|4|5");
    assert_eq!(words("qwen2", "12345"), "1|2|3|4|5");
    assert_eq!(words("llama-bpe", "12345"), "123|4|5");
    assert_eq!(words("default", "12345"), "123|4|5");
    assert_eq!(words("llama-bpe", "a'S"), "a|'S", "contractions in capitals");
    assert_eq!(words("gpt-2", "a'S"), "a|'|S");
    assert_eq!(words("smollm", "a  b"), "a|Ġ|Ġ|b");
}

#[test]
fn every_pre_tokenizer_reads_every_text() {
    let texts = [
        "",
        "Hello World's 12345, <b>x</b>!\r\n\t  end  ",
        "人工智能。ひらがなカタカナ 한국어",
        "🙂‍↔️é\u{301}\u{ad}",
        "   \n\n \n",
    ];
    let names = [
        "default",
        "gpt-2",
        "smollm",
        "starcoder",
        "refact",
        "command-r",
        "qwen2",
        "qwen35",
        "stablelm2",
        "llama-bpe",
        "dbrx",
        "smaug-bpe",
        "glm4",
        "chatglm-bpe",
        "tekken",
        "gpt-4o",
        "llama4",
        "deepseek-v3",
        "deepseek-coder",
        "falcon",
        "bailingmoe",
        "seed-coder",
        "bloom",
        "poro-chat",
        "viking",
        "mpt",
        "olmo",
        "exaone",
    ];
    for name in names {
        let tokenizer = Tokenizer::from_metadata(&mut bpe(name, &["a b"])).unwrap();
        for text in texts {
            let ids = tokenizer.encode(text, TEXT).unwrap();
            assert_eq!(tokenizer.decode(&ids, false), text, "{name}");
        }
    }
}

#[test]
fn long_and_hostile_texts_come_back_as_they_were() {
    let texts = [
        " ".repeat(1_000_000) + "x",
        "\n".repeat(300_000),
        " \n".repeat(100_000),
        "a".repeat(300_000),
        "<".repeat(300_000),
        "<|im_".repeat(60_000),
        "1".repeat(300_000),
        "🙂".repeat(60_000),
        "…".repeat(100_000),
    ];
    for model in [GEMMA, SMOLLM2] {
        let tokenizer = load(model);
        for text in &texts {
            let ids = tokenizer.encode(text, RAW).unwrap();
            assert!(tokenizer.fewest_tokens(text.len()) <= ids.len());
            let bos = usize::from(tokenizer.adds_bos());
            assert_eq!(tokenizer.decode(&ids[bos..], true), *text);
        }
    }
}

#[test]
fn a_text_without_end_is_refused_at_once() {
    let tokenizer = load_tiny("gemma3-f32");
    let error = tokenizer.encode(&"a".repeat(100 << 20), TEXT).unwrap_err();
    assert_eq!(error.code, Code::PromptTooLong);
}

#[test]
fn bad_tokenizers_are_typed_errors() {
    let fails = |mut metadata: Metadata| Tokenizer::from_metadata(&mut metadata).err().expect("an error").code;
    let with = |mut metadata: Metadata, key: &str, value: Value| {
        metadata.insert(format!("tokenizer.ggml.{key}"), value);
        metadata
    };
    let plain = || spm(&[("<unk>", 0.0, 2), ("a", 0.0, 1), ("b", 0.0, 1)]);
    assert_eq!(fails(with(plain(), "model", Value::Str("made-up".into()))), Code::UnsupportedTokenizer);
    assert_eq!(fails(with(plain(), "model", Value::U64(1))), Code::BadMetadata);
    assert_eq!(fails(with(plain(), "tokens", Value::U64(1))), Code::BadMetadata);
    assert_eq!(fails(with(plain(), "tokens", Value::Strings(vec![]))), Code::BadMetadata);
    assert_eq!(fails(with(plain(), "scores", Value::Floats(vec![0.0]))), Code::BadMetadata);
    assert_eq!(fails(with(plain(), "token_type", Value::Ints(vec![1]))), Code::BadMetadata);
    assert_eq!(fails(with(plain(), "bos_token_id", Value::Str("a".into()))), Code::BadMetadata);
    assert_eq!(fails(bpe("made-up", &[])), Code::UnsupportedTokenizer);
    for merge in ["ab", "a", " ", "", "a \u{2581}x", "a bbbbbbbbbbbbbbbbbb", "zz z"] {
        let metadata = with(bpe("gpt-2", &["a b"]), "merges", Value::Strings(vec![merge.into()]));
        assert_eq!(fails(metadata), Code::BadMetadata, "merge {merge:?}");
    }
    let mut without_merges = bpe("gpt-2", &[]);
    without_merges.take_strings("tokenizer.ggml.merges").unwrap();
    assert_eq!(fails(without_merges), Code::BadMetadata);

    assert_eq!(fails(spm(&[("", 0.0, 3), ("a", f32::NAN, 1)])), Code::BadMetadata);
    let mut without_scores = plain();
    without_scores.keep(|key| key != "tokenizer.ggml.scores");
    assert_eq!(fails(without_scores), Code::BadMetadata);

    // Ids outside the vocabulary count as not given; equal and empty tokens do no harm.
    let tokenizer = Tokenizer::from_metadata(&mut with(plain(), "eos_token_id", Value::U64(999))).unwrap();
    assert_eq!(tokenizer.eos(), Some(2));
    let odd = [("", 0.0, 3), ("a", -1.0, 1), ("a", 0.0, 1), ("", 0.0, 1), ("a", f32::INFINITY, 3)];
    let tokenizer = Tokenizer::from_metadata(&mut spm(&odd)).unwrap();
    for options in [TEXT, RAW] {
        assert!(tokenizer.encode("aa a\0é", options).is_ok());
    }
    assert_eq!(tokenizer.token_bytes(5), None);
    for model in ["rwkv", "plamo2"] {
        let mut odd = with(spm(&odd), "model", Value::Str(model.into()));
        let tokenizer = Tokenizer::from_metadata(&mut odd).unwrap();
        for text in ["", "aa a\0é", &"a".repeat(100_000)] {
            assert!(tokenizer.encode(text, RAW).unwrap().len() <= text.len() + 1, "{model}");
        }
    }
    let mut escapes = with(
        spm(&[(r"\x4", 0.0, 1), (r"\", 0.0, 1), (r"\xzz", 0.0, 1), (r"\x41", 0.0, 1)]),
        "model",
        Value::Str("rwkv".into()),
    );
    let tokenizer = Tokenizer::from_metadata(&mut escapes).unwrap();
    assert_eq!(
        (0..4).map(|id| tokenizer.token_bytes(id).unwrap()).collect::<Vec<_>>(),
        [&b"x4"[..], b"\\", b"x", b"A"]
    );
}

#[test]
fn a_file_without_a_vocabulary_takes_ids_only() {
    let mut metadata = Metadata::default();
    metadata.insert("general.architecture", Value::Str("llama".into()));
    metadata.insert("llama.vocab_size", Value::U64(32));
    metadata.insert("tokenizer.ggml.model", Value::Str("none".into()));
    let tokenizer = Tokenizer::from_metadata(&mut metadata).unwrap();
    assert_eq!(tokenizer.n_vocab(), 32);
    assert_eq!(tokenizer.encode("x", TEXT).unwrap_err().code, Code::UnsupportedTokenizer);
    assert_eq!(tokenizer.decode(&[1, 2], true), "");
}
