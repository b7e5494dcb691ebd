//! The tokens of a `tokenizer.json`, by their ids.

use super::file::{Added, Words};
use crate::bail;
use crate::base::error::Result;

/// Ids beyond are no vocabulary's.
const MOST_TOKENS: usize = 1 << 24;

// As the specification of GGUF numbers the kinds.
const NORMAL: i64 = 1;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
const BYTE: i64 = 6;

/// The last number of so many tokens: hardly any is left out, or a few words would ask for much memory.
fn most(count: usize) -> usize {
    2 * count + 1024
}

pub struct Tokens {
    pub texts: Vec<String>,
    pub kinds: Vec<i64>,
    /// Of Unigram; else empty.
    pub scores: Vec<f32>,
}

impl Tokens {
    /// `has_bytes`: `<0x00>` and the like stand for bytes.
    ///
    /// Errors: `BadMetadata` for numbers that leave too many out, `UnsupportedTokenizer` for a token that is found in a way that
    /// is not known.
    pub fn new(words: Words, added: &[Added], has_bytes: bool) -> Result<Tokens> {
        let (words, scores): (Vec<(String, u32)>, Vec<f32>) = match words {
            Words::Ids(words) => (words, Vec::new()),
            Words::Scores(words) => {
                words.into_iter().zip(0..).map(|((text, score), id)| ((text, id), score as f32)).unzip()
            }
        };
        let count = words.len() + added.len();
        let last =
            words.iter().map(|(_, id)| *id).chain(added.iter().map(|token| token.id)).max().unwrap_or(0) as usize;
        if count == 0 || last > most(count) || last >= MOST_TOKENS {
            bail!(BadMetadata, "tokenizer.json numbers one of {count} tokens {last}; fetch it again");
        }
        let mut tokens = Tokens { texts: Vec::new(), kinds: Vec::new(), scores };
        tokens.resize(last + 1);
        for (text, id) in words {
            let is_byte = has_bytes && text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
            tokens.put(id, text, if is_byte { BYTE } else { NORMAL });
        }
        for token in added {
            if token.single_word {
                bail!(
                    UnsupportedTokenizer,
                    "The token {:?} of tokenizer.json is only found as a whole word, which is not supported",
                    token.content
                );
            }
            tokens.put(token.id, token.content.clone(), if token.special { CONTROL } else { USER_DEFINED });
        }
        Ok(tokens)
    }

    /// As many tokens as the network has rows: without the last ones, or with some that no text becomes. `BadMetadata` where these
    /// would be most.
    pub fn fit(&mut self, rows: u64) -> Result<()> {
        let count = self.texts.len();
        match usize::try_from(rows).ok().filter(|rows| *rows <= most(count)) {
            Some(rows) => self.resize(rows),
            None => bail!(
                BadMetadata,
                "The network has {rows} rows of embeddings, and tokenizer.json {count} tokens; take another repository of the model"
            ),
        }
        Ok(())
    }

    fn resize(&mut self, count: usize) {
        self.texts.truncate(count);
        self.texts.extend((self.texts.len()..count).map(|id| format!("[PAD{id}]")));
        self.kinds.resize(count, UNUSED);
        if !self.scores.is_empty() {
            // Tokens that are only found whole are no likelier than others.
            let worst = self.scores.iter().copied().fold(0.0, f32::min);
            self.scores.resize(count, worst);
        }
    }

    fn put(&mut self, id: u32, text: String, kind: i64) {
        self.texts[id as usize] = text;
        self.kinds[id as usize] = kind;
    }

    pub fn id(&self, text: &str) -> Option<u32> {
        self.texts.iter().position(|token| token == text).map(|id| id as u32)
    }
}
