//! WordPiece (`tokenizer.ggml.model` = "bert"): words are cut into the longest tokens that fit, from the left. As Hugging
//! Face's crate `tokenizers` does it, whose decoder is used; the vocabulary itself is the list of pieces.

use tokenizers::Decoder;
use tokenizers::decoders::wordpiece::WordPiece as Joiner;

use super::letters::Letters;
use super::vocab::{Kind, Vocab};
use crate::base::error::Result;
use crate::file::Metadata;

/// What a piece that goes on with a word begins with.
const INSIDE: &str = "##";
/// Longer words are one unknown token.
const MAX_WORD_CHARS: usize = 100;
/// What GGUF's converters write before a piece that begins a word, instead of `##` before the others.
const GGUF_START: char = '\u{2581}';

pub struct WordPiece {
    letters: Letters,
    unknown: Option<u32>,
}

impl WordPiece {
    /// Whether capitals and marks are kept: `tokenizer.ggml.normalizer.*`, and for the many files without these keys what
    /// the vocabulary has, since a vocabulary holds what its normalizer leaves.
    pub fn new(metadata: &Metadata, vocab: &Vocab, unknown: Option<u32>) -> Result<WordPiece> {
        let has = |wanted: fn(char) -> bool| {
            vocab.kinds().any(|(id, kind)| {
                let text = vocab.text(id).unwrap_or_default();
                // `[unused7]` and, in files without kinds, `[CLS]`.
                kind == Kind::Normal && !text.starts_with('[') && text.contains(wanted)
            })
        };
        let key = |name: &str| metadata.bool(&format!("tokenizer.ggml.normalizer.{name}"));
        let lowercase = key("lowercase")?.unwrap_or_else(|| !has(|char| char.is_ascii_uppercase()));
        let strip = key("strip_accents")?.unwrap_or_else(|| lowercase && !has(|char| "äéüñ".contains(char)));
        Ok(WordPiece { letters: Letters::new(lowercase, strip), unknown })
    }

    /// Appends the tokens of `text`, which holds no special tokens: cuts at blanks, and around each punctuation mark.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let text = self.letters.normalize(text);
        let mut start = 0;
        for (at, char) in text.char_indices() {
            if char == ' ' || self.letters.is_punctuation(char) {
                let end = at + char.len_utf8();
                self.word(vocab, &text[start..at], out);
                self.word(vocab, text[at..end].trim_start(), out);
                start = end;
            }
        }
        self.word(vocab, &text[start..], out);
    }

    /// A word of which some part is no token is one unknown token.
    fn word(&self, vocab: &Vocab, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        if word.chars().nth(MAX_WORD_CHARS).is_some() {
            out.extend(self.unknown);
            return;
        }
        let mut left = word.to_string();
        while !left.is_empty() && left != INSIDE {
            let skipped = if out.len() == before { 0 } else { INSIDE.len() };
            let ends = left.char_indices().map(|(at, char)| at + char.len_utf8()).filter(|end| *end > skipped);
            match ends.rev().find_map(|end| Some((end, ordinary(vocab, &left[..end])?))) {
                Some((end, id)) => {
                    out.push(id);
                    left.replace_range(..end, INSIDE);
                }
                None => {
                    out.truncate(before);
                    out.extend(self.unknown);
                    return;
                }
            }
        }
    }
}

/// The token of an ordinary text; control tokens are out of a user's reach.
fn ordinary(vocab: &Vocab, text: &str) -> Option<u32> {
    vocab.id(text).filter(|id| vocab.kind(*id).is_some_and(|kind| !kind.is_special()))
}

/// Gives the pieces back their own texts: `##` where a word goes on, nothing where it begins.
pub fn restore(tokens: &mut [String], kinds: &[Kind]) {
    let count = |start: &str| tokens.iter().filter(|token| token.starts_with(start)).count();
    if count(INSIDE) >= count(GGUF_START.encode_utf8(&mut [0; 4])) {
        return; // The file has them as they were.
    }
    for (token, kind) in tokens.iter_mut().zip(kinds) {
        let whole = *kind == Kind::Control || (token.starts_with('[') && token.ends_with(']'));
        if token.starts_with(GGUF_START) {
            token.drain(..GGUF_START.len_utf8());
        } else if !whole {
            token.insert_str(0, INSIDE);
        }
    }
}

/// The text that a token adds: blanks stand between words.
pub fn token_bytes(text: &str) -> Vec<u8> {
    text.strip_prefix(INSIDE).map_or_else(|| format!(" {text}"), str::to_string).into_bytes()
}

/// The text of a sequence, tidied as Hugging Face does it: no blank before a full stop.
pub fn decode(tokens: Vec<String>) -> String {
    Joiner::default().decode(tokens).unwrap_or_default()
}
