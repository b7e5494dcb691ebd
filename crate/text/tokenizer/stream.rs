//! Text from tokens as they come: never half a character.

use super::Tokenizer;

/// Turns a stream of tokens into text. Bytes that may be the start of a character are held back
/// until the character is whole; bytes that can never be one become U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    keep_special: bool,
    held: Vec<u8>,
}

impl StreamDecoder {
    /// `keep_special`: control tokens appear as their text instead of nothing.
    pub fn new(keep_special: bool) -> StreamDecoder {
        StreamDecoder { keep_special, held: Vec::new() }
    }

    /// The text that became whole with this token; often empty inside an emoji or a CJK character.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        tokenizer.append_bytes(id, self.keep_special, &mut self.held);
        let mut text = String::new();
        let mut used = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            used += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = used + invalid.len() == self.held.len();
            if invalid.is_empty() || (at_end && is_unfinished(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            used += invalid.len();
        }
        self.held.drain(..used);
        text
    }

    /// What was still held back: an unfinished character is U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        text
    }
}

/// Whether more bytes can make a character of these.
fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}
