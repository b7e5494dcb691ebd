//! The vocabulary: token texts in one string, their kinds, and the way back from a text to its id.

use std::hash::{Hash, Hasher};

use ahash::AHasher;
use hashbrown::HashTable;

use crate::bail;
use crate::base::error::Result;

/// `tokenizer.ggml.token_type`, numbered as in the GGUF specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Unknown,
    /// Steers the model (start of turn, end of text). Written only by templates and `parse_special`.
    Control,
    /// A fixed string that is always one token, whoever writes it.
    UserDefined,
    Unused,
    /// `<0x00>` to `<0xFF>`: one raw byte.
    Byte,
}

impl Kind {
    /// The kind of a `tokenizer.ggml.token_type` entry; unknown numbers are ordinary tokens.
    pub fn from_ggml(value: i64) -> Kind {
        match value {
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => Kind::Normal,
        }
    }

    /// Whether text never becomes this token unless special tokens are asked for.
    pub fn is_special(self) -> bool {
        matches!(self, Kind::Control | Kind::Unknown)
    }
}

/// Tokens by id and by text. 262,144 tokens take about 6 MB.
pub struct Vocab {
    text: String,
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    by_text: HashTable<u32>,
    max_token_bytes: usize,
}

impl Vocab {
    /// Copies the texts into one string. `kinds` is as long as `tokens`.
    pub fn new(tokens: &[String], kinds: Vec<Kind>) -> Result<Vocab> {
        let total: usize = tokens.iter().map(String::len).sum();
        if tokens.len() >= u32::MAX as usize || total >= u32::MAX as usize {
            bail!(BadMetadata, "tokenizer.ggml.tokens holds {} tokens of {total} bytes: too many", tokens.len());
        }
        let mut text = String::with_capacity(total);
        let mut ends = Vec::with_capacity(tokens.len());
        for token in tokens {
            text.push_str(token);
            ends.push(text.len() as u32);
        }
        let max_token_bytes = tokens.iter().map(String::len).max().unwrap_or(0);
        let mut vocab = Vocab { text, ends, kinds, by_text: HashTable::new(), max_token_bytes };
        vocab.index();
        Ok(vocab)
    }

    /// Fills the way back. Where two tokens have one text, the special one wins, then the first.
    fn index(&mut self) {
        let mut table = HashTable::with_capacity(self.len());
        let ids = 0..self.len() as u32;
        let special = |id: &u32| self.kind(*id) != Some(Kind::Normal);
        for id in ids.clone().filter(special).chain(ids.filter(|id| !special(id))) {
            let text = self.text(id).unwrap_or_default();
            let (hash, same) = (hash(text), |other: &u32| self.text(*other) == Some(text));
            if table.find(hash, same).is_none() {
                table.insert_unique(hash, id, |other| hash_of(self, *other));
            }
        }
        self.by_text = table;
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The length of the longest token, in bytes.
    pub fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// The token's text as the file writes it (byte-level letters and `▁` included).
    pub fn text(&self, id: u32) -> Option<&str> {
        let end = *self.ends.get(id as usize)? as usize;
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] as usize };
        self.text.get(start..end)
    }

    pub fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    pub fn set_kind(&mut self, id: u32, kind: Kind) {
        if let Some(slot) = self.kinds.get_mut(id as usize) {
            *slot = kind;
        }
    }

    /// The token whose text is exactly `text`.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.by_text.find(hash(text), |id| self.text(*id) == Some(text)).copied()
    }

    /// Every id with its kind.
    pub fn kinds(&self) -> impl Iterator<Item = (u32, Kind)> + '_ {
        self.kinds.iter().enumerate().map(|(id, kind)| (id as u32, *kind))
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = AHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}

fn hash_of(vocab: &Vocab, id: u32) -> u64 {
    hash(vocab.text(id).unwrap_or_default())
}
