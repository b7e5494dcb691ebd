//! What stands around texts: their beginning and end, and what parts two that an encoder compares.

use super::{EncodeOptions, Tokenizer};
use crate::bail;
use crate::base::error::Result;

/// What a model's texts begin and end with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    pub begin: Option<u32>,
    pub end: Option<u32>,
    /// Between two texts the end stands twice.
    pub twice: bool,
    /// The model tells two texts apart by token types.
    pub typed: bool,
}

/// What an encoder reads: a text, or two that it compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The tokens, those around the texts among them.
    pub ids: Vec<u32>,
    /// As long as `ids`: 1 for the second text and its end where the model tells texts apart, else 0.
    pub types: Vec<u32>,
    /// Whether tokens were left out at the ends of texts.
    pub truncated: bool,
}

impl Tokenizer {
    /// A text as an encoder reads it, `[CLS] text [SEP]`, of at most `limit` tokens. `parse_special`: texts of control
    /// tokens, such as the mask's, become these tokens.
    ///
    /// `BadOption` where not even the tokens around the text fit, `PromptTooLong` as for [`encode`](Self::encode).
    pub fn encode_text(&self, text: &str, limit: usize, parse_special: bool) -> Result<Input> {
        self.framed(&[text], limit, parse_special)
    }

    /// Two texts as a cross-encoder reads them, `[CLS] first [SEP] second [SEP]`. Past `limit` the longer one loses tokens
    /// at its end, or both where both have more than half (Hugging Face's `longest_first`). Errors as for
    /// [`encode_text`](Self::encode_text).
    pub fn encode_pair(&self, first: &str, second: &str, limit: usize, parse_special: bool) -> Result<Input> {
        self.framed(&[first, second], limit, parse_special)
    }

    fn framed(&self, texts: &[&str], limit: usize, parse_special: bool) -> Result<Input> {
        let Frame { begin, end, twice, typed } = self.frame;
        let options = EncodeOptions { add_special: false, parse_special };
        let mut parts = Vec::with_capacity(texts.len());
        for text in texts {
            parts.push(self.encode(text, options)?);
        }
        let between = usize::from(twice) * (texts.len() - 1);
        let around = begin.iter().len() + end.iter().len() * (texts.len() + between);
        let Some(room) = limit.checked_sub(around) else {
            bail!(BadOption, "An input of {limit} tokens has no room for the {around} that stand around its texts")
        };
        let truncated = fit(&mut parts, room);
        let mut input = Input { ids: Vec::with_capacity(limit.min(1 << 16)), types: Vec::new(), truncated };
        input.ids.extend(begin);
        for (at, part) in parts.iter().enumerate() {
            input.ids.extend(end.filter(|_| twice && at > 0));
            input.types.resize(input.ids.len(), 0);
            input.ids.extend(part);
            input.ids.extend(end);
            input.types.resize(input.ids.len(), u32::from(typed && at > 0));
        }
        Ok(input)
    }
}

/// Shortens one text, or two, to `room` tokens in all; whether it had to.
fn fit(parts: &mut [Vec<u32>], room: usize) -> bool {
    if parts.iter().map(Vec::len).sum::<usize>() <= room {
        return false;
    }
    match parts {
        [first, second] => {
            let short = first.len().min(second.len()).min(room / 2);
            let (shorter, longer) = if first.len() > second.len() { (second, first) } else { (first, second) };
            shorter.truncate(short);
            longer.truncate(room - short);
        }
        parts => parts.iter_mut().for_each(|part| part.truncate(room)),
    }
    true
}
