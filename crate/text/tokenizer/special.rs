//! Tokens that are recognised as whole strings, before the ordinary tokenizer sees the text,
//! and the tokens that end a generation.

use super::vocab::{Kind, Vocab};

/// Longer special tokens are not looked for: bounds the work at each position of a text.
const MAX_SPECIAL_BYTES: usize = 512;

/// Texts that end a turn or a text in the models of the field, whatever the file says of their kind.
const END_TOKENS: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "[e~[",
    // Padding and file borders of code models: what follows is another document.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Texts that end nothing where all of the first are ends, and what they are then.
const NO_ENDS: &[(&[&str], &str, Kind)] = &[
    // Harmony and Solar write <|end|> after each message of one reply.
    (&["<|return|>", "<|call|>"], "<|end|>", Kind::Control),
    (&["<|return|>", "<|calls|>"], "<|end|>", Kind::Control),
    (&["<|flush|>", "<|call|>"], "<|end|>", Kind::Control),
    (&["<|flush|>", "<|calls|>"], "<|end|>", Kind::Control),
    // Plain HTML to Gemma 4 and PLaMo.
    (&["<|tool_response>"], "</s>", Kind::Normal),
    (&["<|plamo:eos|>"], "</s>", Kind::Normal),
];

/// Control texts that files sometimes mark as ordinary tokens; they do not end a generation.
const CONTROL_TOKENS: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];

/// Finds the tokens that end a generation, by text, and marks all well-known control texts as
/// control. Returns the end tokens, sorted, together with those the file names (`named`).
pub fn mark_control_tokens(vocab: &mut Vocab, named: &[Option<u32>]) -> Vec<u32> {
    let mut ends: Vec<u32> = named.iter().flatten().copied().collect();
    for text in END_TOKENS {
        if let Some(id) = vocab.id(text) {
            vocab.set_kind(id, Kind::Control);
            ends.push(id);
        }
    }
    for text in CONTROL_TOKENS {
        if let Some(id) = vocab.id(text) {
            vocab.set_kind(id, Kind::Control);
        }
    }
    for (others, text, kind) in NO_ENDS {
        if let Some(id) = vocab.id(text)
            && others.iter().all(|other| vocab.id(other).is_some_and(|id| ends.contains(&id)))
        {
            vocab.set_kind(id, *kind);
            ends.retain(|end| *end != id);
        }
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Which special tokens a text may contain, by first byte.
pub struct SpecialTokens {
    /// For each first byte the lengths of the special tokens that start with it, longest first.
    lengths: Vec<Vec<u16>>,
}

/// A run of a text: one special token, or text between them.
#[derive(Debug, PartialEq)]
pub enum Piece<'a> {
    Text(&'a str),
    Token(u32),
}

impl SpecialTokens {
    pub fn new(vocab: &Vocab) -> SpecialTokens {
        let mut lengths = vec![Vec::new(); 256];
        for (id, kind) in vocab.kinds() {
            let text = vocab.text(id).unwrap_or_default();
            let whole = kind.is_special() || kind == Kind::UserDefined;
            if whole && !text.is_empty() && text.len() <= MAX_SPECIAL_BYTES {
                lengths[text.as_bytes()[0] as usize].push(text.len() as u16);
            }
        }
        for list in &mut lengths {
            list.sort_unstable_by(|a, b| b.cmp(a));
            list.dedup();
        }
        SpecialTokens { lengths }
    }

    /// The longest special token at the start of `text`; control tokens only where `parse_special`.
    pub fn match_at(&self, vocab: &Vocab, text: &str, parse_special: bool) -> Option<(u32, usize)> {
        let first = *text.as_bytes().first()?;
        self.lengths[first as usize].iter().find_map(|&length| {
            let id = vocab.id(text.get(..length as usize)?)?;
            let kind = vocab.kind(id)?;
            let wanted = kind == Kind::UserDefined || (parse_special && kind.is_special());
            wanted.then_some((id, length as usize))
        })
    }

    /// Cuts `text` at its special tokens, leftmost first, the longest at each place. At a byte
    /// offset in `guarded` (ascending) no control token may start.
    pub fn split<'a>(&self, vocab: &Vocab, text: &'a str, parse_special: bool, guarded: &[usize]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            if self.lengths[text.as_bytes()[at] as usize].is_empty() || !text.is_char_boundary(at) {
                at += 1;
                continue;
            }
            let parse_special = parse_special && guarded.binary_search(&at).is_err();
            match self.match_at(vocab, &text[at..], parse_special) {
                Some((id, length)) => {
                    if start < at {
                        pieces.push(Piece::Text(&text[start..at]));
                    }
                    pieces.push(Piece::Token(id));
                    at += length;
                    start = at;
                }
                None => at += 1,
            }
        }
        if start < text.len() {
            pieces.push(Piece::Text(&text[start..]));
        }
        pieces
    }
}
