//! Cuts a text into words by regular expressions, in a time that grows with the text alone: by automata, which never go
//! back. They cannot look ahead, as the models' expressions do in a few places; what those mean is computed instead.

use regex_automata::Input;
use regex_automata::meta::Regex;

use super::pre::Pre;
use crate::base::error::{Code, Error, Result};

/// How a run of blanks is cut: its last one goes with the word behind it.
#[derive(Clone, Copy, PartialEq)]
enum Blanks {
    /// By the automaton alone.
    Matched,
    /// As one piece.
    Whole,
    /// Into pieces of powers of two.
    Powers,
}

/// Ends of expressions that look ahead.
const BLANKS: [(&str, Blanks); 2] = [
    (r"|\s+(?!\S)|\s+", Blanks::Whole),
    (
        r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        Blanks::Powers,
    ),
];

/// Expressions that group digits by three from the right, and the runs in which they do.
const THREES: [(&str, &str); 3] = [
    (r"\d{1,3}(?=(?:\d{3})*\b)", r"\d+\b"),
    (r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", r"\p{N}+"),
    (r"(?=(\d{3})+(?!\d))", r"\d+"),
];

/// One expression: cuts out what it matches.
struct Cut {
    /// Of two patterns the second is a run of blanks.
    regex: Regex,
    blanks: Blanks,
    threes: bool,
}

impl Cut {
    fn new(pattern: &str) -> Result<Cut> {
        let threes = THREES.iter().find(|(known, _)| *known == pattern);
        let pattern = threes.map_or(pattern, |(_, run)| run);
        let blanks = BLANKS.iter().find_map(|(end, blanks)| Some((pattern.strip_suffix(end)?, *blanks)));
        let regex = match blanks {
            Some((pattern, _)) => Regex::new_many(&[pattern, r"\s+"]),
            None => Regex::new(pattern),
        };
        let broken = |e| Error::new(Code::Internal, format!("The pre-tokenizer's pattern {pattern} is broken: {e}"));
        let blanks = blanks.map_or(Blanks::Matched, |(_, blanks)| blanks);
        Ok(Cut { regex: regex.map_err(broken)?, blanks, threes: threes.is_some() })
    }

    fn cut<'a>(&self, text: &'a str, out: &mut Vec<&'a str>) {
        let mut start = 0;
        while let Some(found) = self.regex.search(&Input::new(text).range(start..)) {
            let mut range = found.range();
            out.push(&text[start..range.start]);
            if found.pattern().as_usize() == 1 {
                range.end = self.cut_blanks(text, range.start, range.end, out);
            } else if self.threes {
                cut_threes(&text[range.clone()], out);
            } else {
                out.push(&text[range.clone()]);
            }
            if range.end == start {
                break; // No expression matches nothing; if one did, it would for ever.
            }
            start = range.end;
        }
        out.push(&text[start..]);
    }

    /// Cuts the run of blanks from `start` to `end`; where it stopped: before the last one if a word follows.
    fn cut_blanks<'a>(&self, text: &'a str, start: usize, end: usize, out: &mut Vec<&'a str>) -> usize {
        let last = text[start..end].chars().next_back().map_or(0, char::len_utf8);
        let free = if end == text.len() || start + last == end { end } else { end - last };
        let run = &text[start..free];
        if self.blanks == Blanks::Whole {
            out.push(run);
            return free;
        }
        let mut left = run;
        while !left.is_empty() {
            let count = left.chars().count();
            let size = if count < 4 { count.min(2) } else { 1 << count.ilog2().min(9) };
            let at = left.char_indices().nth(size).map_or(left.len(), |(at, _)| at);
            out.push(&left[..at]);
            left = &left[at..];
        }
        free
    }
}

fn cut_threes<'a>(run: &'a str, out: &mut Vec<&'a str>) {
    let ends: Vec<usize> = run.char_indices().map(|(at, char)| at + char.len_utf8()).collect();
    let mut start = 0;
    for (at, end) in ends.iter().enumerate() {
        if (ends.len() - 1 - at).is_multiple_of(3) {
            out.push(&run[start..*end]);
            start = *end;
        }
    }
}

/// The compiled expressions of one family of pre-tokenizers.
pub struct Splitter(Vec<Cut>);

impl Splitter {
    pub fn new(pre: &Pre) -> Result<Splitter> {
        pre.patterns.iter().map(|pattern| Cut::new(pattern)).collect::<Result<_>>().map(Splitter)
    }

    /// Cuts `text` into words; none is empty, and together they are the text.
    pub fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut words = vec![text];
        for cut in &self.0 {
            let mut pieces = Vec::with_capacity(words.len());
            for word in words {
                cut.cut(word, &mut pieces);
            }
            pieces.retain(|piece| !piece.is_empty());
            words = pieces;
        }
        words
    }
}
