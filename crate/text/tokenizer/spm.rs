//! SentencePiece-style tokenizer (`tokenizer.ggml.model` = "llama"): neighbours merge into the
//! best-scored token of the vocabulary until none is left; what has no token becomes bytes. With the
//! merges themselves in place of scores it is the BPE of characters ("gemma4").
//!
//! The crate's BPE model would need 515,000 merges derived from Gemma's scores, each as two strings,
//! and cannot give two merges the same rank. Here the vocabulary itself is the merge list: Gemma's
//! takes 5 MB and 0.2 s in wasm. Gemma 4's merges take 6 MB besides.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::bpe;
use super::vocab::{Kind, Vocab};
use crate::bail;
use crate::base::error::Result;

/// What SentencePiece writes for a space.
const SPACE: &str = "\u{2581}";
const NONE: u32 = u32::MAX;

/// Which neighbours merge first.
enum Order {
    /// Those whose token has the best score, by id.
    Scores(Vec<f32>),
    /// Those of the first merge: left token, right token, rank, in ascending order.
    Ranks(Vec<(u32, u32, u32)>),
}

/// Where a text is cut before its characters merge.
#[derive(Clone, Copy)]
enum Cuts {
    Nowhere,
    /// Around runs of line ends, each of which is its token, if it has one (Gemma 4).
    Lines,
    /// Before each blank.
    Blanks,
}

pub struct Spm {
    order: Order,
    cuts: Cuts,
    /// The token of each raw byte; `NONE` where the file lacks it.
    bytes: [u32; 256],
    unknown: Option<u32>,
}

/// One run of characters, linked to its neighbours. Empty once it was merged into its left one.
struct Symbol {
    start: usize,
    end: usize,
    previous: u32,
    next: u32,
}

/// Two neighbours whose text is a token. Higher scores first, then the leftmost.
struct Merge {
    score: f32,
    left: u32,
    right: u32,
    bytes: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Merge {}

impl Spm {
    /// `scores` is as long as the vocabulary.
    pub fn new(vocab: &Vocab, scores: Vec<f32>, unknown: Option<u32>) -> Spm {
        Spm::ordered(vocab, Order::Scores(scores), Cuts::Nowhere, unknown)
    }

    /// `merges` in rank order, each "left right".
    pub fn of_merges(vocab: &Vocab, merges: &[String], unknown: Option<u32>) -> Result<Spm> {
        let mut ranks = Vec::with_capacity(merges.len());
        for (rank, merge) in merges.iter().enumerate() {
            let halves = bpe::halves(merge).and_then(|(left, right)| Some((vocab.id(left)?, vocab.id(right)?)));
            let Some((left, right)) = halves else {
                bail!(
                    BadMetadata,
                    "merge {rank} of tokenizer.ggml.merges, {merge:?}, is not two tokens with a space between them"
                )
            };
            ranks.push((left, right, rank as u32));
        }
        ranks.sort_unstable();
        Ok(Spm::ordered(vocab, Order::Ranks(ranks), Cuts::Lines, unknown))
    }

    /// The same, cut at blanks or nowhere.
    pub fn cut_at_blanks(self, split: bool) -> Spm {
        Spm { cuts: if split { Cuts::Blanks } else { Cuts::Nowhere }, ..self }
    }

    fn ordered(vocab: &Vocab, order: Order, cuts: Cuts, unknown: Option<u32>) -> Spm {
        let mut bytes = [NONE; 256];
        for (byte, slot) in bytes.iter_mut().enumerate() {
            let raw = [byte as u8];
            let token = vocab.id(&format!("<0x{byte:02X}>"));
            let token = token.or_else(|| vocab.id(std::str::from_utf8(&raw).ok()?));
            *slot = token.unwrap_or(NONE);
        }
        Spm { order, cuts, bytes, unknown }
    }

    /// Appends the tokens of `text`, which holds no special tokens.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let text = text.replace(' ', SPACE);
        match self.cuts {
            Cuts::Nowhere => return self.merge(vocab, &text, out),
            Cuts::Blanks => {
                let blanks = text.match_indices(SPACE).map(|(at, _)| at).filter(|at| *at > 0);
                let mut start = 0;
                for end in blanks.chain([text.len()]) {
                    self.merge(vocab, &text[start..end], out);
                    start = end;
                }
                return;
            }
            Cuts::Lines => {}
        }
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let newline = rest.starts_with('\n');
            let end = rest.find(|char| (char == '\n') != newline).unwrap_or(rest.len());
            let (run, left) = rest.split_at(end);
            // A run of line ends that is a token is that token, whatever the merges would make of it.
            match self.token(vocab, run).filter(|_| newline) {
                Some(id) => out.push(id),
                None => self.merge(vocab, run, out),
            }
            rest = left;
        }
    }

    fn merge(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        for (start, char) in text.char_indices() {
            let at = symbols.len() as u32;
            symbols.push(Symbol { start, end: start + char.len_utf8(), previous: at.wrapping_sub(1), next: at + 1 });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }

        let mut queue = BinaryHeap::new();
        for right in 1..symbols.len() as u32 {
            self.offer(vocab, text, &symbols, right - 1, right, &mut queue);
        }
        while let Some(Merge { left, right, bytes, .. }) = queue.pop() {
            let (a, b) = (&symbols[left as usize], &symbols[right as usize]);
            let gone = a.start == a.end || b.start == b.end;
            if gone || b.end - a.start != bytes {
                continue;
            }
            let (end, next) = (b.end, b.next);
            symbols[right as usize].start = end;
            let merged = &mut symbols[left as usize];
            merged.end = end;
            merged.next = next;
            let previous = merged.previous;
            if next != NONE {
                symbols[next as usize].previous = left;
                self.offer(vocab, text, &symbols, left, next, &mut queue);
            }
            if previous != NONE {
                self.offer(vocab, text, &symbols, previous, left, &mut queue);
            }
        }

        for symbol in symbols.iter().filter(|s| s.start < s.end) {
            let piece = &text[symbol.start..symbol.end];
            match self.token(vocab, piece) {
                Some(id) => out.push(id),
                // A character.
                None if piece.bytes().all(|b| self.bytes[b as usize] == NONE) => out.extend(self.unknown),
                None => {
                    let ids = piece.bytes().map(|b| self.bytes[b as usize]);
                    out.extend(ids.filter_map(|id| if id == NONE { self.unknown } else { Some(id) }));
                }
            }
        }
    }

    /// Queues the merge of two neighbours where their text is a token.
    fn offer(
        &self,
        vocab: &Vocab,
        text: &str,
        symbols: &[Symbol],
        left: u32,
        right: u32,
        queue: &mut BinaryHeap<Merge>,
    ) {
        let (start, middle, end) =
            (symbols[left as usize].start, symbols[right as usize].start, symbols[right as usize].end);
        if end - start > vocab.max_token_bytes() {
            return;
        }
        if let Some(score) = self.score(vocab, &text[start..end], middle - start) {
            queue.push(Merge { score, left, right, bytes: end - start });
        }
    }

    /// How good it is to merge the two parts of `text` that meet at `middle`; `None` where they do not merge.
    fn score(&self, vocab: &Vocab, text: &str, middle: usize) -> Option<f32> {
        let whole = self.token(vocab, text)?;
        match &self.order {
            Order::Scores(scores) => scores.get(whole as usize).copied(),
            Order::Ranks(ranks) => {
                let pair = (self.token(vocab, &text[..middle])?, self.token(vocab, &text[middle..])?);
                let at = ranks.partition_point(|&(left, right, _)| (left, right) < pair);
                // Ranks are whole numbers below 2^24 in any vocabulary that there is.
                ranks.get(at).filter(|row| (row.0, row.1) == pair).map(|row| -(row.2 as f32))
            }
        }
    }

    /// The token of an ordinary text. Control and byte tokens are out of a user's reach.
    fn token(&self, vocab: &Vocab, text: &str) -> Option<u32> {
        let id = vocab.id(text)?;
        let kind = vocab.kind(id)?;
        (!kind.is_special() && kind != Kind::Byte).then_some(id)
    }
}

/// The bytes of an ordinary token's text.
pub fn token_bytes(text: &str) -> Vec<u8> {
    text.replace(SPACE, " ").into_bytes()
}
