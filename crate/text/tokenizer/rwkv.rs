//! RWKV's vocabulary (`tokenizer.ggml.model` = "rwkv"): at each place the longest token, byte by byte, whatever follows. Its
//! tokens are bytes, which files write as Python would print them.

use super::vocab::Vocab;

pub struct Rwkv {
    /// Tokens that texts may become, in the order of their bytes.
    tokens: Vec<(Vec<u8>, u32)>,
    unknown: Option<u32>,
}

impl Rwkv {
    pub fn new(vocab: &Vocab, unknown: Option<u32>) -> Rwkv {
        let ordinary = vocab.kinds().filter(|(_, kind)| !kind.is_special());
        let bytes = ordinary.filter_map(|(id, _)| Some((token_bytes(vocab.text(id)?), id)));
        let mut tokens: Vec<_> = bytes.filter(|(bytes, _)| !bytes.is_empty()).collect();
        // Of tokens of the same bytes the last one counts.
        tokens.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        tokens.dedup_by(|a, b| a.0 == b.0);
        Rwkv { tokens, unknown }
    }

    /// Appends the tokens of `text`, which holds no special tokens.
    pub fn encode(&self, text: &str, out: &mut Vec<u32>) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (id, length) = self.longest(rest).unzip();
            out.extend(id.or(self.unknown));
            rest = &rest[length.unwrap_or(1)..];
        }
    }

    /// The longest token that some bytes begin with, and its length.
    fn longest(&self, bytes: &[u8]) -> Option<(u32, usize)> {
        let mut best = None;
        // Those that begin with the bytes so far and are longer.
        let mut within = self.tokens.as_slice();
        for (at, byte) in bytes.iter().enumerate() {
            let first = within.partition_point(|(token, _)| token[at] < *byte);
            let last = within.partition_point(|(token, _)| token[at] <= *byte);
            within = &within[first..last];
            let Some((token, id)) = within.first() else { break };
            if token.len() == at + 1 {
                best = Some((*id, at + 1));
                within = &within[1..];
            }
        }
        best
    }
}

/// The bytes of an ordinary token's text: `\t`, `\n`, `\r` and `\xff` stand for one each, and `\` before others for nothing.
pub fn token_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let (byte, used) = match (first, after) {
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'x', high, low, ..]) => (hex(&[*high, *low]).unwrap_or(b'x'), 4),
            (b'\\', [other, ..]) => (*other, 2),
            _ => (*first, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}
