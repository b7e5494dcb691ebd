//! Small vocabularies of encoders: WordPiece as BERT has it, Unigram as XLM-RoBERTa has it.

use super::gguf::{Gguf, Value};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
/// Arrays and bytes, as the format numbers its types.
const ARRAY: u32 = 9;
const U8: u32 = 0;

// cspell:disable
/// Pieces that begin a word, and with `##` those that go on with one. Each letter is both.
const PIECES: &str = "the quick brown fox hello world he ##llo wor ##ld un ##aff ##able ##ing ##ed ##s cafe naive sure they \
    say it what we don ##' 20 ##24 123 ##45 the ##ir ista ##nbul prive ##t stra ##sse strasse мир ##ир прив ##ет κοσμ ##ε \
    नम ##सत supercali ##fragil ##istic main fn return ##turn";
const CAPITALS: &str = "The Hello Paris Éclair É ##é Über ##ü naïve A B C D P T U ##A ##B";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789абвгдеийкмнопртцαγεικλμνορσυωßøłæअनमसतदयक";
const ALONE: &str = ".,;:!?'\"()[]{}<>=+-*/\\|@#$%&^`~_–…“”«»।、。，！人工智能正在改变世界今天日本語हㅎᄒ";
const JAMO: &str = "ᄀᄂ하ᅥᅢᆫᆼ";
const KANA: &str = "かきさたなはカハテキスト";

/// Pieces of the Unigram vocabulary, likeliest first; `_` stands for the space `▁`.
const UNIGRAM: &str = "_ , . s _the e a _a i t n o ' ing er _he llo hello _hello _wor ld _world _world! r h l d ... TM \
    _quick _brown _fox un aff able 123 45 _20 24 _( ) - _- é _caf è _на мир _мир и р 世界 _世界 人工 智能 日本 日 本 語 ガ \
    _ガ ァ ᄀ ᅡ A B C _A 1 2 3 4 5 0 ⁄ ! ? \u{1f642} \u{1f600} fi _fi x y z w v u q p m k j g f c b _x";

// cspell:enable
/// WordPiece; `cased` keeps capitals and marks, as the vocabulary tells, since the file does not.
pub fn word_piece(cased: bool, file: &mut Gguf) -> usize {
    let mut tokens = vec!["[PAD]".to_string(), "[unused0]".into(), "[UNK]".into(), "[CLS]".into(), "[SEP]".into()];
    tokens.push("[MASK]".into());
    let mut types = vec![CONTROL; tokens.len()];
    types[1] = NORMAL;
    let mut pieces: Vec<String> = PIECES.split_whitespace().map(String::from).collect();
    if cased {
        pieces.extend(CAPITALS.split_whitespace().map(String::from));
    }
    for letter in LETTERS.chars().chain(JAMO.chars()).chain(KANA.chars()) {
        pieces.extend([letter.to_string(), format!("##{letter}")]);
    }
    pieces.extend(ALONE.chars().map(String::from));
    let mut known = std::collections::HashSet::new();
    for piece in pieces.into_iter().filter(|piece| known.insert(piece.clone())) {
        // As llama.cpp's converter writes them.
        tokens.push(piece.strip_prefix("##").map_or_else(|| format!("▁{piece}"), String::from));
        types.push(NORMAL);
    }
    let n = tokens.len();
    file.set("tokenizer.ggml.model", Value::Str("bert".into()));
    file.set("tokenizer.ggml.pre", Value::Str("default".into()));
    file.set("tokenizer.ggml.token_type_count", Value::U32(2));
    file.set("tokenizer.ggml.tokens", Value::Strings(tokens));
    file.set("tokenizer.ggml.token_type", Value::Ints(types));
    for (id, role) in [(0, "padding"), (2, "unknown"), (3, "cls"), (4, "seperator"), (5, "mask")] {
        file.set(&format!("tokenizer.ggml.{role}_token_id"), Value::U32(id));
    }
    n
}

/// Unigram with a small map of characters (`tests/golden/make_charsmap.py`).
pub fn unigram(file: &mut Gguf) -> usize {
    let special = [("<s>", CONTROL), ("<pad>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN)];
    let mut tokens: Vec<(String, i32, f32)> = special.iter().map(|&(text, kind)| (text.into(), kind, 0.0)).collect();
    for (rank, piece) in UNIGRAM.split_whitespace().enumerate() {
        tokens.push((piece.replace('_', "▁"), NORMAL, -2.5 - (rank as f32).sqrt()));
    }
    tokens.push(("<mask>".into(), CONTROL, 0.0));
    tokens.push(("[PAD99]".into(), UNUSED, -10_000.0));
    let n = tokens.len();
    let map = include_bytes!("charsmap.bin");
    let mut bytes = U8.to_le_bytes().to_vec();
    bytes.extend((map.len() as u64).to_le_bytes());
    bytes.extend(map);
    file.set("tokenizer.ggml.model", Value::Str("t5".into()));
    file.set("tokenizer.ggml.pre", Value::Str("default".into()));
    file.set("tokenizer.ggml.token_type_count", Value::U32(1));
    file.set("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(|token| token.0.clone()).collect()));
    file.set("tokenizer.ggml.scores", Value::Floats(tokens.iter().map(|token| token.2).collect()));
    file.set("tokenizer.ggml.token_type", Value::Ints(tokens.iter().map(|token| token.1).collect()));
    file.set("tokenizer.ggml.precompiled_charsmap", Value::Raw(ARRAY, bytes));
    let ids = [("bos", 0), ("padding", 1), ("eos", 2), ("seperator", 2), ("unknown", 3), ("mask", n as u32 - 2)];
    for (role, id) in ids {
        file.set(&format!("tokenizer.ggml.{role}_token_id"), Value::U32(id));
    }
    for key in ["add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"] {
        file.set(&format!("tokenizer.ggml.{key}"), Value::Bool(true));
    }
    n
}
