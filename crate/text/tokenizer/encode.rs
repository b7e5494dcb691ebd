//! Text to ids: special tokens are cut out, and what is between them goes to the model's own way.

use std::borrow::Cow;

use super::special::Piece;
use super::{EncodeOptions, MAX_TEXT_BYTES, Model, Prefix, Tokenizer};
use crate::bail;
use crate::base::error::Result;
use crate::base::platform::composed;

impl Tokenizer {
    /// The ids of a text. `PromptTooLong` past [`MAX_TEXT_BYTES`].
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<u32>> {
        self.encode_guarded(text, options, &[])
    }

    /// As [`encode`](Self::encode); no control token starts at a byte offset in `guarded`
    /// (ascending), so that text from elsewhere can stand between a template's control tokens.
    pub fn encode_guarded(&self, text: &str, options: EncodeOptions, guarded: &[usize]) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            bail!(PromptTooLong, "The text has {} bytes; at most {MAX_TEXT_BYTES} are tokenized at once", text.len());
        }
        let mut ids = self.encode_pieces(text, options.parse_special, guarded, true)?;
        if options.add_special {
            // Once, where the text has it already.
            let end = self.frame.end.filter(|end| ids.last() != Some(end));
            if let Some(begin) = self.frame.begin.filter(|begin| ids.first() != Some(begin)) {
                ids.insert(0, begin);
            }
            ids.extend(end);
        }
        Ok(ids)
    }

    fn encode_pieces(&self, text: &str, parse_special: bool, guarded: &[usize], begins: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 4 + 2);
        let mut before = None;
        let mut pieces = self.special.split(&self.vocab, text, parse_special, guarded).into_iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Token(id) => {
                    ids.push(id);
                    before = Some(id);
                }
                Piece::Text(text) => {
                    let next = pieces.peek().and_then(|piece| match piece {
                        Piece::Token(id) => Some(*id),
                        Piece::Text(_) => None,
                    });
                    let text = self.stripped(text, before, next);
                    let first = begins && before.is_none();
                    self.encode_piece(text, first, first || before.is_some(), &mut ids)?;
                }
            }
        }
        Ok(ids)
    }

    /// A text without the blanks that the tokens around it take.
    fn stripped<'a>(&self, text: &'a str, before: Option<u32>, next: Option<u32>) -> &'a str {
        let [left, right] = &self.strips;
        // Hugging Face's masks take the blanks before them.
        let is_mask = matches!(self.model, Model::Bpe(_)) && next.is_some() && next == self.mask();
        let text = if is_mask || next.is_some_and(|id| left.contains(&id)) { text.trim_end() } else { text };
        if before.is_some_and(|id| right.contains(&id)) { text.trim_start() } else { text }
    }

    /// Appends the tokens of a text without special ones. `first`: it begins the whole text; `starts`: or stands behind
    /// a token.
    fn encode_piece(&self, text: &str, first: bool, starts: bool, ids: &mut Vec<u32>) -> Result<()> {
        let text = if self.composed { composed(text) } else { text.into() };
        let begun = || -> Cow<'_, str> {
            let blank = text.starts_with(' ') || !matches!(self.model, Model::Bpe(_)) && text.starts_with('\u{2581}');
            let prefixed = match self.prefix {
                Prefix::None => false,
                Prefix::Each => starts,
                Prefix::Always => starts && !blank,
                Prefix::First => first && !blank,
            };
            if prefixed && !text.is_empty() { format!(" {text}").into() } else { (&*text).into() }
        };
        match &self.model {
            Model::Bpe(bpe) => bpe.encode(&begun(), ids)?,
            Model::Spm(spm) => spm.encode(&self.vocab, &begun(), ids),
            Model::Words { spm, lowercase } => {
                let lower = lowercase.then(|| text.to_lowercase());
                let words = lower.as_deref().unwrap_or(&text).split_whitespace();
                words.for_each(|word| spm.encode(&self.vocab, word, ids));
            }
            Model::Rwkv(rwkv) => rwkv.encode(&text, ids),
            Model::Plamo(plamo) => plamo.encode(&self.vocab, &text, ids),
            Model::WordPiece(words) => words.encode(&self.vocab, &text, ids),
            Model::Unigram(unigram) => {
                // It looks by itself whether there is a blank.
                let prefix = if self.prefix == Prefix::First { first } else { starts && self.prefix != Prefix::None };
                unigram.encode(&self.vocab, &text, prefix, ids);
            }
            Model::None => bail!(UnsupportedTokenizer, "The file has no vocabulary: give token ids instead of text"),
        }
        Ok(())
    }

    /// The ids of a text that goes on after others: without a mark of a beginning, and control tokens' names as text.
    pub fn encode_more(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_pieces(text, false, &[], false)
    }
}
