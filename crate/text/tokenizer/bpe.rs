//! Byte-level BPE (`tokenizer.ggml.model` = "gpt2"): words become bytes, bytes become the letters
//! that stand for them, and the crate `tokenizers` merges the letters by rank.

use ahash::AHashMap;
use tokenizers::models::bpe::BPE;
use tokenizers::tokenizer::Model;

use super::pre::Pre;
use super::split::Splitter;
use crate::bail;
use crate::base::error::{Code, Error, Result};

pub struct Bpe {
    model: BPE,
    splitter: Splitter,
}

impl Bpe {
    /// `tokens` in id order; `merges` in rank order, each "left right". `whole_words`: a word that is a token is that
    /// token.
    pub fn new(tokens: Vec<String>, merges: Vec<String>, pre: &Pre, whole_words: bool) -> Result<Bpe> {
        let longest = tokens.iter().map(String::len).max().unwrap_or(0);
        let mut pairs = Vec::with_capacity(merges.len());
        for (rank, merge) in merges.into_iter().enumerate() {
            match halves(&merge) {
                // The crate's builder indexes past its buffer on these.
                Some((left, right)) if left.len() + right.len() > longest => {
                    bail!(
                        BadMetadata,
                        "merge {rank} of tokenizer.ggml.merges, {merge:?}, makes no token of tokenizer.ggml.tokens"
                    )
                }
                Some((left, right)) => pairs.push((left.to_string(), right.to_string())),
                None => bail!(
                    BadMetadata,
                    "merge {rank} of tokenizer.ggml.merges, {merge:?}, is not two tokens with a space between them"
                ),
            }
        }
        let vocab = tokens.into_iter().enumerate().map(|(id, token)| (token, id as u32));
        let builder = BPE::builder()
            .vocab_and_merges(vocab.collect::<AHashMap<_, _>>(), pairs)
            .ignore_merges(whole_words)
            // The crate's cache lives in the thread and would outlast the model.
            .cache_capacity(0);
        let model = builder.build().map_err(|e| {
            Error::new(Code::BadMetadata, format!("tokenizer.ggml.merges does not fit tokenizer.ggml.tokens: {e}"))
        })?;
        Ok(Bpe { model, splitter: Splitter::new(pre)? })
    }

    /// Appends the tokens of `text`, which holds no special tokens.
    pub fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<()> {
        let mut letters = String::new();
        for word in self.splitter.split(text) {
            letters.clear();
            letters.extend(word.bytes().map(letter));
            let tokens = self.model.tokenize(&letters);
            let tokens =
                tokens.map_err(|e| Error::new(Code::Internal, format!("byte-level BPE failed on a word: {e}")))?;
            out.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// The two tokens of a merge, which have a space between them.
pub fn halves(merge: &str) -> Option<(&str, &str)> {
    // It may start with a blank of its own: the separator comes after the first byte.
    let space = merge.bytes().skip(1).position(|byte| byte == b' ')?;
    Some((merge.get(..=space)?, merge.get(space + 2..)?))
}

/// The letter that stands for a byte: itself where printable, else one past U+0100
/// (the table of OpenAI's GPT-2 `encoder.py`).
fn letter(byte: u8) -> char {
    let shifted = match byte {
        0x00..=0x20 => 0x100 + byte as u32,
        0x7f..=0xa0 => 0x121 + (byte - 0x7f) as u32,
        0xad => 0x143,
        _ => byte as u32,
    };
    char::from_u32(shifted).unwrap_or('\u{fffd}')
}

/// The byte that a letter stands for.
fn byte(letter: char) -> Option<u8> {
    Some(match letter as u32 {
        code @ 0x100..=0x120 => (code - 0x100) as u8,
        code @ 0x121..=0x142 => (code - 0x121) as u8 + 0x7f,
        0x143 => 0xad,
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => code as u8,
        _ => return None,
    })
}

/// The bytes of an ordinary token's text; letters outside the table stay themselves.
pub fn token_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match byte(letter) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_letter() {
        for value in 0..=255 {
            assert_eq!(byte(letter(value)), Some(value));
        }
        assert_eq!(letter(b' '), 'Ġ');
        assert_eq!(letter(b'\n'), 'Ċ');
        assert_eq!(letter(0xad), 'Ń');
    }
}
