//! Small vocabularies: two that tokenize any text, byte-level BPE and SentencePiece style, and those of encoders.

use super::encoder_vocab;
use super::gguf::{Gguf, Value};
use super::other_vocab;

/// Which vocabulary a tiny model carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Vocab {
    /// Byte-level BPE with a ChatML template; the name of its pre-tokenizer.
    Bpe(&'static str),
    /// As Qwen's, with the words `yes` and `no`, and the prompt of a model that ranks by them.
    Judge,
    /// SentencePiece as Llama 2 has it: a space is put before the text, no chat template.
    Spm,
    /// SentencePiece as Gemma has it: no space before the text, turns in a template.
    Gemma,
    /// WordPiece as BERT has it.
    WordPiece,
    /// The same with capitals.
    CasedWordPiece,
    /// Unigram as XLM-RoBERTa has it.
    Unigram,
    /// As RWKV World has it: bytes, and the longest token counts.
    Rwkv,
    /// As PLaMo 2 has it.
    Plamo,
    /// As Jina's Chinese encoder has it: words of characters.
    Words,
}

/// The vocabularies of encoders, by name.
pub const ENCODERS: [(&str, Vocab); 3] =
    [("wordpiece", Vocab::WordPiece), ("wordpiece_cased", Vocab::CasedWordPiece), ("unigram", Vocab::Unigram)];

/// Vocabularies that no tiny model has, by name.
pub const OTHERS: [(&str, Vocab); 3] =
    [("tiny_rwkv", Vocab::Rwkv), ("tiny_plamo", Vocab::Plamo), ("tiny_words", Vocab::Words)];

/// A file of a vocabulary alone.
pub fn alone(name: &str) -> Option<Vec<u8>> {
    let (_, vocab) = ENCODERS.iter().chain(&OTHERS).find(|(known, _)| *known == name)?;
    let mut file = Gguf { version: 3, metadata: Vec::new(), tensors: Vec::new() };
    file.set("general.architecture", Value::Str("bert".into()));
    write(*vocab, &mut file);
    Some(file.to_bytes())
}

// Token types of the format.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const BYTE: i32 = 6;

/// Merges in rank order; `_` stands for the space byte's letter `Ġ`, `~` for the newline's `Ċ`.
const MERGES: &str = "_ t|_ a|i n|h e|_ _|r e|o n|e r|_t he|a t|_ s|_ o|e n|_ c|i t|i s|__ __|o r|e s|_ w|~ ~|l l|\
    _ in|a l|in g|_ b|_ p|_ f|o u|_ d|_a n|_an d|e d|_ h|_o f|a r|_ m|_t o|1 9|2 0|_w or|l d|_wor ld|_ l|h at|_w hat|\
    _ is|' s|' t|f n|_l e|_le t|= =|; ~|Ã ©|ä ¸|H e|He ll|Hell o|u s|us er|a s|s is|as sis|assis t|_a b|c d|_ab cd";

const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] \
    + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Shorter than Qwen3's, as contexts are here.
const RERANK: &str = "<|im_start|>user\nSay \"yes\" or \"no\".\n<Query>: {query}\n<Document>: {document}<|im_end|>\n\
    <|im_start|>assistant\n";

const GEMMA_TURNS: &str = "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}\
    {% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' \
    + (message['content'] | trim) + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}\
    {{ '<start_of_turn>model\n' }}{% endif %}";

/// Pieces longer than a letter, likeliest first; `_` stands for the space `▁`.
pub(super) const PIECES: &str = "_t he in er _a on re _s en at _the or _w _o an it is _c es _b ou _in ing _p _f _an _and ed _d _h \
    _of to _to _m al ar _wor ld _world ll Hell Hello _l _le et _let __ ____ ______ ha hat _what _is fn == 19 20 2024 \
    user model ab cd abcd 世界 你好 né";

/// Single letters of the SentencePiece vocabularies; whatever is missing falls back to bytes.
pub(super) const LETTERS: &str =
    "_eatoinsrhldcumfpgwybvkxjqzETAOINSRHLDCUMFPGWYBVKXJQZ0123456789.,;:!?'\"()[]{}<>=+-*/\\|@#$%&^`~é世界你好日本";

/// Puts the tokenizer's metadata into `file` and returns the number of tokens.
pub fn write(vocab: Vocab, file: &mut Gguf) -> usize {
    match vocab {
        Vocab::Bpe(pre) => bpe(pre, MERGES, file),
        Vocab::Judge => {
            file.set("tokenizer.chat_template.rerank", Value::Str(RERANK.into()));
            bpe("qwen2", &format!("{MERGES}|y e|ye s|n o"), file)
        }
        Vocab::Spm => spm(file, false),
        Vocab::Gemma => spm(file, true),
        Vocab::WordPiece => encoder_vocab::word_piece(false, file),
        Vocab::CasedWordPiece => encoder_vocab::word_piece(true, file),
        Vocab::Unigram => encoder_vocab::unigram(file),
        Vocab::Rwkv => other_vocab::rwkv(file),
        Vocab::Plamo => other_vocab::plamo(file),
        Vocab::Words => other_vocab::words(file),
    }
}

/// GPT-2's letters for bytes: printable Latin-1 stands for itself, the rest moves to U+0100 on.
fn byte_letters() -> Vec<String> {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut moved = 0x100;
    (0..=255u8)
        .map(|b| {
            let code = if plain(b) { b as u32 } else { moved };
            moved += !plain(b) as u32;
            char::from_u32(code).expect("a letter").to_string()
        })
        .collect()
}

fn bpe(pre: &str, merges: &str, file: &mut Gguf) -> usize {
    let mut tokens: Vec<String> = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(String::from).into();
    let mut types = vec![CONTROL; tokens.len()];
    tokens.extend(byte_letters());
    let merges: Vec<String> = merges.split('|').map(|m| m.replace('_', "Ġ").replace('~', "Ċ")).collect();
    for merge in &merges {
        let (left, right) = merge.split_once(' ').expect("two halves");
        assert!(tokens.iter().any(|t| t == left) && tokens.iter().any(|t| t == right), "{merge} merges no tokens");
        tokens.push(format!("{left}{right}"));
    }
    types.resize(tokens.len(), NORMAL);
    tokens.push("<think>".into());
    types.push(USER_DEFINED);
    tokens.push("<|eot_id|>".into());
    types.push(CONTROL);
    let n = tokens.len();
    file.set("tokenizer.ggml.model", Value::Str("gpt2".into()));
    file.set("tokenizer.ggml.pre", Value::Str(pre.into()));
    file.set("tokenizer.ggml.tokens", Value::Strings(tokens));
    file.set("tokenizer.ggml.token_type", Value::Ints(types));
    file.set("tokenizer.ggml.merges", Value::Strings(merges));
    file.set("tokenizer.ggml.bos_token_id", Value::U32(1));
    file.set("tokenizer.ggml.eos_token_id", Value::U32(2));
    file.set("tokenizer.ggml.add_bos_token", Value::Bool(pre == "llama-bpe"));
    file.set("tokenizer.chat_template", Value::Str(CHATML.into()));
    n
}

fn spm(file: &mut Gguf, gemma: bool) -> usize {
    let special: &[(&str, i32)] = if gemma {
        &[("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", CONTROL)]
    } else {
        &[("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    };
    let mut tokens: Vec<(String, i32, f32)> = special.iter().map(|&(t, kind)| (t.into(), kind, 0.0)).collect();
    if gemma {
        tokens.push(("<start_of_turn>".into(), CONTROL, 0.0));
        tokens.push(("<end_of_turn>".into(), CONTROL, 0.0));
        tokens.push(("\n\n".into(), USER_DEFINED, 0.0));
    }
    tokens.extend((0..=255u8).map(|b| (format!("<0x{b:02X}>"), BYTE, 0.0)));
    let words = PIECES.split_whitespace().map(String::from);
    let letters = LETTERS.chars().map(String::from);
    for (rank, piece) in words.chain(letters).enumerate() {
        tokens.push((piece.replace('_', "▁"), NORMAL, -(rank as f32)));
    }
    let n = tokens.len();
    let (bos, eos, unknown) = if gemma { (2, 1, 3) } else { (1, 2, 0) };
    file.set("tokenizer.ggml.model", Value::Str("llama".into()));
    file.set("tokenizer.ggml.pre", Value::Str("default".into()));
    file.set("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(|t| t.0.clone()).collect()));
    file.set("tokenizer.ggml.scores", Value::Floats(tokens.iter().map(|t| t.2).collect()));
    file.set("tokenizer.ggml.token_type", Value::Ints(tokens.iter().map(|t| t.1).collect()));
    file.set("tokenizer.ggml.bos_token_id", Value::U32(bos));
    file.set("tokenizer.ggml.eos_token_id", Value::U32(eos));
    file.set("tokenizer.ggml.unknown_token_id", Value::U32(unknown));
    file.set("tokenizer.ggml.add_bos_token", Value::Bool(true));
    file.set("tokenizer.ggml.add_space_prefix", Value::Bool(!gemma));
    if gemma {
        file.set("tokenizer.chat_template", Value::Str(GEMMA_TURNS.into()));
    }
    n
}
