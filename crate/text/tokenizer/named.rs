//! Tokens that have a role: those that the file names, and where it does not, those that are called as is usual.

use super::Method;
use super::frame::Frame;
use super::vocab::{Kind, Vocab};
use crate::base::error::Result;
use crate::file::Metadata;

/// A role as Hugging Face names it, and the file's key for it (one is misspelt in GGUF itself).
pub const ROLES: [(&str, &str); 7] = [
    ("bos", "bos"),
    ("eos", "eos"),
    ("unk", "unknown"),
    ("pad", "padding"),
    ("cls", "cls"),
    ("sep", "seperator"),
    ("mask", "mask"),
];

/// What else ends a reply: a turn, a message, and in code padding, a repository's name, a file's border.
const ENDS: [&str; 5] = ["eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

/// What the tokens of encoders are called.
const WORD_PIECE: [(&str, &str); 5] =
    [("unk", "[UNK]"), ("pad", "[PAD]"), ("cls", "[CLS]"), ("sep", "[SEP]"), ("mask", "[MASK]")];
const UNIGRAM: [(&str, &str); 4] = [("eos", "</s>"), ("unk", "<unk>"), ("pad", "<pad>"), ("mask", "<mask>")];
/// The ids that Llama 1 and 2 have.
const SPM: [(&str, u32); 3] = [("bos", 1), ("eos", 2), ("unk", 0)];
/// Those of PLaMo 2.
const PLAMO: [(&str, u32); 4] = [("bos", 1), ("eos", 2), ("unk", 0), ("pad", 3)];

#[derive(Default)]
pub struct Named {
    roles: Vec<(&'static str, Option<u32>)>,
    /// Those of [`ENDS`].
    others: Vec<Option<u32>>,
}

impl Named {
    /// Marks the tokens of encoders as out of a text's reach. Ids outside the vocabulary count as not given.
    pub fn read(metadata: &Metadata, vocab: &mut Vocab, method: Method) -> Result<Named> {
        let id = |key: &str| -> Result<Option<u32>> {
            let id = metadata.u32(&format!("tokenizer.ggml.{key}_token_id"))?;
            Ok(id.filter(|id| (*id as usize) < vocab.len()))
        };
        let mut named = Named { roles: Vec::new(), others: Vec::new() };
        for key in ENDS {
            named.others.push(id(key)?);
        }
        let called = |names: &[(&str, &str)], role: &str| {
            names.iter().find(|(name, _)| *name == role).and_then(|(_, text)| vocab.id(text))
        };
        for (role, key) in ROLES {
            let by_number = |ids: &[(&str, u32)]| {
                ids.iter().find(|(name, id)| *name == role && (*id as usize) < vocab.len()).map(|row| row.1)
            };
            let usual = || match method {
                Method::WordPiece => called(&WORD_PIECE, role),
                Method::Unigram => called(&UNIGRAM, role),
                Method::Spm => by_number(&SPM),
                Method::Plamo => by_number(&PLAMO),
                Method::Bpe | Method::Merges | Method::Pairs | Method::Words | Method::Rwkv => None,
            };
            named.roles.push((role, id(key)?.or_else(usual)));
        }
        if method == Method::WordPiece {
            named.share("bos", "cls");
            named.share("eos", "sep");
        }
        if matches!(method, Method::WordPiece | Method::Unigram) {
            for (role, id) in &named.roles {
                let kind = if *role == "unk" { Kind::Unknown } else { Kind::Control };
                id.iter().for_each(|id| vocab.set_kind(*id, kind));
            }
        }
        Ok(named)
    }

    /// Two roles that one token has where only one of them is named.
    fn share(&mut self, one: &'static str, other: &'static str) {
        let id = (self.get(one), self.get(other));
        for (role, slot) in &mut self.roles {
            match *role {
                role if role == one => *slot = id.0.or(id.1),
                role if role == other => *slot = id.1.or(id.0),
                _ => {}
            }
        }
    }

    pub fn get(&self, role: &str) -> Option<u32> {
        self.roles.iter().find(|(name, _)| *name == role).and_then(|(_, id)| *id)
    }

    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<u32>)> {
        self.roles.iter().copied()
    }

    /// The tokens by which the file says that a text or a turn ends.
    pub fn ends(&self) -> Vec<Option<u32>> {
        [&[self.get("eos")], self.others.as_slice()].concat()
    }

    /// What stands around texts. `begins`: whether the pre-tokenizer's models begin them with BOS.
    pub fn frame(&self, metadata: &Metadata, vocab: &Vocab, method: Method, begins: bool) -> Result<Frame> {
        // What stands around texts by a tokenizer.json: begin, end, or -1 for none; whether twice, whether typed.
        if let Some(&[begin, end, twice, typed]) = metadata.ints("tokenizer.json.frame")? {
            let [begin, end] = [begin, end].map(|id| u32::try_from(id).ok());
            return Ok(Frame { begin, end, twice: twice != 0, typed: typed != 0 });
        }
        let add = |role: &str, default: bool| -> Result<Option<u32>> {
            let add = metadata.bool(&format!("tokenizer.ggml.add_{role}_token"))?.unwrap_or(default);
            Ok(self.get(role).filter(|_| add))
        };
        let types = metadata.u32("tokenizer.ggml.token_type_count")?.unwrap_or(2);
        if method == Method::WordPiece {
            // Some files say false, and their models want both all the same.
            let typed = types > 1;
            return Ok(Frame { begin: self.get("cls"), end: self.get("sep"), twice: false, typed });
        }
        // Gemma 4's files say false, and the model wants it all the same.
        let begin =
            if method == Method::Merges { self.get("bos") } else { add("bos", begins || method == Method::Spm)? };
        let end = add("eos", method == Method::Unigram)?;
        // RoBERTa and its kin, whose tokens are called so.
        let twice = begin.is_some() && end.and_then(|end| vocab.text(end)) == Some("</s>");
        Ok(Frame { begin, end, twice, typed: false })
    }
}
