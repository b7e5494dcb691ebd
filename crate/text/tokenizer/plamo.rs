//! PLaMo 2's vocabulary (`tokenizer.ggml.model` = "plamo2"): of all ways to cut a text into tokens the likeliest, over the whole
//! text, blanks and all; of those that are as good, the one whose tokens are longest from its start. Scores are whole numbers of
//! a ten-thousandth, so that sums are exact.

use super::vocab::{Kind, Vocab};

/// What a character costs that has no token: it becomes bytes.
const UNKNOWN: i64 = 10_000_000;
/// Worse scores count as none, and none is better than its opposite.
const WORST: f64 = -20_000_000.0;
/// Longer tokens are not looked for: bounds the work at each character.
const MAX_PIECE_BYTES: usize = 512;

pub struct Plamo {
    scores: Vec<f32>,
    longest: usize,
    /// The token of each raw byte, where there is one.
    bytes: Vec<Option<u32>>,
}

/// The best way from a place to the end: what it costs, where its first token ends, and which that is.
#[derive(Clone, Copy)]
struct Step {
    cost: i64,
    end: usize,
    id: Option<u32>,
}

impl Plamo {
    /// `scores` is as long as the vocabulary.
    pub fn new(vocab: &Vocab, scores: Vec<f32>) -> Plamo {
        let bytes = (0..=255u8).map(|byte| vocab.id(&format!("<0x{byte:02X}>"))).collect();
        Plamo { scores, longest: vocab.max_token_bytes().min(MAX_PIECE_BYTES), bytes }
    }

    /// Appends the tokens of `text`, which holds no special tokens. A mark of byte order at its start counts for nothing.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut best = vec![Step { cost: 0, end: text.len(), id: None }; text.len() + 1];
        for (start, char) in text.char_indices().rev() {
            let next = start + char.len_utf8();
            let mut found = Step { cost: best[next].cost + UNKNOWN, end: next, id: None };
            // The shortest first: of equals the longest stays.
            let ends = text[start..].char_indices().map(|(at, char)| at + char.len_utf8());
            for end in ends.take_while(|length| *length <= self.longest).map(|length| start + length) {
                let Some(id) = self.ordinary(vocab, &text[start..end]) else { continue };
                let score = (f64::from(self.scores[id as usize]) * 1e4).round().min(-WORST);
                let cost = best[end].cost - score as i64;
                if score > WORST && cost <= found.cost {
                    found = Step { cost, end, id: Some(id) };
                }
            }
            best[start] = found;
        }
        let mut at = 0;
        while at < text.len() {
            let Step { end, id, .. } = best[at];
            match id {
                Some(id) => out.push(id),
                None => out.extend(text[at..end].bytes().filter_map(|byte| self.bytes[byte as usize])),
            }
            at = end;
        }
    }

    /// The token of an ordinary text. Control and byte tokens are out of a user's reach.
    fn ordinary(&self, vocab: &Vocab, text: &str) -> Option<u32> {
        vocab.id(text).filter(|id| matches!(vocab.kind(*id), Some(Kind::Normal | Kind::UserDefined)))
    }
}
