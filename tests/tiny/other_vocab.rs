//! Small vocabularies of RWKV, PLaMo 2, and of words as Jina's Chinese encoder has them.

use super::gguf::{Gguf, Value};
use super::vocab::{LETTERS, PIECES};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// Tokens of several bytes besides [`PIECES`], as the file writes them: some end within a character.
const RWKV: &str = r"\n\n \r\n \t\t \\\\ ::\n <s \xe4\xb8 \xe4\xb8\x96\xe7\x95 \xf0\x9f\x98 \xf0\x9f \x00\x00 der>";
// cspell:disable
/// Merges of characters in rank order.
const WORDS: &str =
    "t h|th e|h e|l l|o r|w or|wor l|worl d|H e|He ll|Hell o|世 界|你 好|l d|i n|in g|1 2|12 3|f n|a b|c d|ab cd";
// cspell:enable

fn set(file: &mut Gguf, model: &str, tokens: Vec<(String, i32, f32)>) -> usize {
    let n = tokens.len();
    file.set("tokenizer.ggml.model", Value::Str(model.into()));
    file.set("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(|token| token.0.clone()).collect()));
    file.set("tokenizer.ggml.token_type", Value::Ints(tokens.iter().map(|token| token.1).collect()));
    file.set("tokenizer.ggml.scores", Value::Floats(tokens.iter().map(|token| token.2).collect()));
    n
}

pub fn rwkv(file: &mut Gguf) -> usize {
    let mut tokens = vec![("<s>".to_string(), CONTROL, 0.0)];
    let byte = |byte: u8| match byte {
        b'\\' => r"\\".into(),
        b'\t' => r"\t".into(),
        b'\n' => r"\n".into(),
        b'\r' => r"\r".into(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!(r"\x{byte:02x}"),
    };
    tokens.extend((0..=255).map(|b| (byte(b), NORMAL, 0.0)));
    let end = tokens.len() as u32;
    let pieces = PIECES.split_whitespace().map(|piece| piece.replace('_', " "));
    tokens.extend(RWKV.split(' ').map(String::from).chain(pieces).map(|piece| (piece, NORMAL, 0.0)));
    file.set("tokenizer.ggml.eos_token_id", Value::U32(0));
    file.set("tokenizer.ggml.eot_token_id", Value::U32(end));
    set(file, "rwkv", tokens)
}

pub fn plamo(file: &mut Gguf) -> usize {
    let special = [("unk", UNKNOWN), ("bos", CONTROL), ("eos", CONTROL), ("pad", CONTROL)];
    let mut tokens: Vec<_> = special.iter().map(|(role, kind)| (format!("<|plamo:{role}|>"), *kind, 0.0)).collect();
    tokens.extend((0..=255u8).map(|b| (format!("<0x{b:02X}>"), BYTE, 0.0)));
    let pieces = PIECES.split_whitespace().map(|piece| piece.replace('_', " "));
    let letters = LETTERS.chars().map(String::from).chain([" ".into(), "\n".into(), "</s>".into()]);
    for (rank, piece) in pieces.chain(letters).enumerate() {
        // Letters cost as much as some words of two.
        tokens.push((piece, NORMAL, -2.5 - (rank as f32 / 8.0).floor() / 2.0));
    }
    set(file, "plamo2", tokens)
}

pub fn words(file: &mut Gguf) -> usize {
    let special = [("<s>", CONTROL), ("<pad>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN), ("<mask>", CONTROL)];
    let mut tokens: Vec<_> = special.iter().map(|(text, kind)| (text.to_string(), *kind, 0.0)).collect();
    tokens.extend(LETTERS.chars().map(|letter| (letter.to_string(), NORMAL, 0.0)));
    let merges: Vec<String> = WORDS.split('|').map(String::from).collect();
    tokens.extend(merges.iter().map(|merge| (merge.replace(' ', ""), NORMAL, 0.0)));
    file.set("tokenizer.ggml.pre", Value::Str("whitespace".into()));
    file.set("tokenizer.ggml.merges", Value::Strings(merges));
    for (id, role) in [(0, "bos"), (1, "padding"), (2, "eos"), (4, "mask")] {
        file.set(&format!("tokenizer.ggml.{role}_token_id"), Value::U32(id));
    }
    set(file, "whitespace", tokens)
}
