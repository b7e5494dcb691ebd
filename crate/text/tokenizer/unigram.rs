//! Unigram (`tokenizer.ggml.model` = "t5"): of all ways to cut a word into tokens the likeliest. As Hugging Face's crate
//! `tokenizers` does it, whose normalizer is used. Its model would hold 250,000 tokens three times over, one of them in a
//! tree of small hash maps; here the vocabulary itself is searched.

use std::borrow::Cow;

use tokenizers::normalizers::Precompiled;

use super::charsmap;
use super::vocab::{Kind, Vocab};
use crate::base::error::Result;
use crate::file::Metadata;

/// What SentencePiece writes for a space.
const SPACE: char = '\u{2581}';
/// How much worse than the worst token a character without one is.
const UNKNOWN_PENALTY: f64 = 10.0;
/// Longer tokens are not looked for: bounds the work at each character.
const MAX_PIECE_BYTES: usize = 512;
const NONE: usize = usize::MAX;

pub struct Unigram {
    scores: Vec<f32>,
    unknown: Option<u32>,
    unknown_score: f64,
    longest: usize,
    charsmap: Option<Precompiled>,
    /// Runs of blanks count as one, and those at the ends not at all.
    collapse: bool,
    /// Where they do not: runs of spaces all the same, and blanks at the end (as a tokenizer.json may have it).
    tidy: bool,
    /// Words begin at blanks, and no token is made across their borders.
    split: bool,
}

/// The best way found to a place in a word: its last token, and where that begins.
#[derive(Clone, Copy)]
struct Step {
    score: f64,
    start: usize,
    id: Option<u32>,
}

impl Unigram {
    /// `scores` is as long as the vocabulary.
    pub fn new(metadata: &Metadata, vocab: &Vocab, scores: Vec<f32>, unknown: Option<u32>) -> Result<Unigram> {
        let used = vocab.kinds().zip(&scores).filter(|((_, kind), _)| *kind != Kind::Unused);
        let worst = used.map(|(_, score)| f64::from(*score)).fold(f64::INFINITY, f64::min);
        Ok(Unigram {
            scores,
            unknown,
            unknown_score: worst - UNKNOWN_PENALTY,
            longest: vocab.max_token_bytes().min(MAX_PIECE_BYTES),
            charsmap: charsmap::read(metadata)?,
            tidy: metadata.bool("tokenizer.json.tidy")?.unwrap_or(false),
            split: metadata.bool("tokenizer.json.split")?.unwrap_or(false),
            collapse: metadata.bool("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(true),
        })
    }

    /// Appends the tokens of `text`, which holds no special tokens. `prefix`: the first word begins with a blank, too.
    pub fn encode(&self, vocab: &Vocab, text: &str, prefix: bool, out: &mut Vec<u32>) {
        let normal = self.charsmap.as_ref().map(|map| map.normalize_string(text));
        let text = normal.as_deref().unwrap_or(text);
        if self.collapse {
            let mut blank = prefix || text.starts_with(char::is_whitespace);
            for word in text.split_whitespace() {
                let start = if blank && !word.starts_with(SPACE) { "\u{2581}" } else { "" };
                self.words(vocab, &format!("{start}{word}"), out);
                blank = true;
            }
            return;
        }
        let text = if self.tidy { Cow::from(tidied(text)) } else { text.into() };
        if !text.is_empty() {
            let start = if prefix && !text.starts_with([' ', SPACE]) { " " } else { "" };
            let text = format!("{start}{text}").replace(' ', "\u{2581}");
            if self.split { self.words(vocab, &text, out) } else { self.word(vocab, &text, out) }
        }
    }

    /// Cuts before each blank.
    fn words(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let mut start = 0;
        for end in text.match_indices(SPACE).map(|(at, _)| at).filter(|at| *at > 0).chain([text.len()]) {
            self.word(vocab, &text[start..end], out);
            start = end;
        }
    }

    fn word(&self, vocab: &Vocab, word: &str, out: &mut Vec<u32>) {
        let mut best = vec![Step { score: 0.0, start: NONE, id: None }; word.len() + 1];
        for (start, char) in word.char_indices() {
            let here = best[start].score;
            let mut offer = |end: usize, score: f64, id: Option<u32>| {
                if best[end].start == NONE || score > best[end].score {
                    best[end] = Step { score, start, id };
                }
            };
            let mut alone = false;
            let ends = word[start..].char_indices().map(|(at, char)| at + char.len_utf8());
            for length in ends.take_while(|length| *length <= self.longest) {
                let end = start + length;
                if let Some(id) = ordinary(vocab, &word[start..end]) {
                    offer(end, here + f64::from(self.scores[id as usize]), Some(id));
                    alone |= length == char.len_utf8();
                }
            }
            if !alone {
                offer(start + char.len_utf8(), here + self.unknown_score, None);
            }
        }
        let mut way = Vec::new();
        let mut end = word.len();
        while end > 0 {
            way.push((best[end].start..end, best[end].id));
            end = best[end].start;
        }
        let mut way = way.into_iter().rev().peekable();
        while let Some((range, id)) = way.next() {
            let Some(id) = id else {
                // Unknown characters side by side are one unknown token.
                let mut unknown = range;
                while let Some((next, _)) = way.next_if(|(_, id)| id.is_none()) {
                    unknown.end = next.end;
                }
                self.unknown(vocab, &word[unknown], out);
                continue;
            };
            out.push(id);
        }
    }

    /// The bytes of what has no token, where all of them have tokens.
    fn unknown(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let byte = |byte: u8| vocab.id(&format!("<0x{byte:02X}>")).filter(|id| vocab.kind(*id) == Some(Kind::Byte));
        match text.bytes().map(byte).collect::<Option<Vec<u32>>>() {
            Some(bytes) => out.extend(bytes),
            None => out.extend(self.unknown),
        }
    }
}

/// A text without blanks at its end, and with one space for several.
fn tidied(text: &str) -> String {
    let mut last = None;
    let kept = |char: &char| last.replace(*char) != Some(' ') || *char != ' ';
    text.trim_end().chars().filter(kept).collect()
}

/// The token of an ordinary text. Control and byte tokens are out of a user's reach.
fn ordinary(vocab: &Vocab, text: &str) -> Option<u32> {
    vocab.id(text).filter(|id| matches!(vocab.kind(*id), Some(Kind::Normal | Kind::UserDefined)))
}
