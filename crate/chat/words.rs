//! A model's tokens as a module of grammars takes them.

use crate::text::tokenizer::Tokenizer;

/// What tokens stand for, by their ids; flat, so that it goes over to another module as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The bytes of all, one after the other.
    pub bytes: Vec<u8>,
    /// Where the bytes of each end: [n_vocab].
    pub ends: Vec<u32>,
    /// Those that are no text, ascending; their bytes are their names.
    pub special: Vec<u32>,
    /// Those that end a reply.
    pub eog: Vec<u32>,
}

impl Words {
    /// Of a tokenizer. A token that stands for nothing has no bytes.
    pub fn of(tokenizer: &Tokenizer) -> Words {
        let mut words = Words { eog: tokenizer.eog_ids().to_vec(), ..Words::default() };
        for id in 0..tokenizer.n_vocab() as u32 {
            words.bytes.extend(tokenizer.token_bytes(id).unwrap_or_default());
            words.ends.push(words.bytes.len() as u32);
            if tokenizer.is_special(id) {
                words.special.push(id);
            }
        }
        words
    }
}
