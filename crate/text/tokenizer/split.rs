//! Cuts a text into words by regular expressions, in a time that grows with the text alone: by automata, which never go
//! back. They cannot look ahead, as the models' expressions do in a few places; what those mean is computed instead.

use std::ops::Range;

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

/// Groups a run's digits by three from the right.
#[derive(Clone, Copy, PartialEq)]
enum Threes {
    /// The run is cut out.
    Alone,
    /// The same, but only where no word goes on behind it.
    AtEnd,
    /// Its ends stay with what is beside them.
    Within,
}

/// Expressions that do so, and the runs.
const THREES: [(&str, &str, Threes); 3] = [
    (r"\d{1,3}(?=(?:\d{3})*\b)", r"\d+", Threes::AtEnd),
    (r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", r"\p{N}+", Threes::Alone),
    (r"(?=(\d{3})+(?!\d))", r"\d+", Threes::Within),
];

/// Digits with more of a word behind them, as Oniguruma has words.
const WORD_GOES_ON: &str = r"\d+[\w\p{N}--\d]";

/// One expression: cuts out what it matches.
struct Cut {
    /// Of two patterns the second is a run of blanks, or the first a run of digits that is left alone.
    regex: Regex,
    blanks: Blanks,
    threes: Option<Threes>,
}

impl Cut {
    fn new(pattern: &str) -> Result<Cut> {
        let threes = THREES.iter().find(|(known, ..)| *known == pattern);
        let pattern = threes.map_or(pattern, |(_, run, _)| run);
        let blanks = BLANKS.iter().find_map(|(end, blanks)| Some((pattern.strip_suffix(end)?, *blanks)));
        let regex = match (blanks, threes) {
            (Some((pattern, _)), _) => Regex::new_many(&[pattern, r"\s+"]),
            (None, Some((_, run, Threes::AtEnd))) => Regex::new_many(&[WORD_GOES_ON, run]),
            _ => Regex::new(pattern),
        };
        let broken = |e| Error::new(Code::Internal, format!("The pre-tokenizer's pattern {pattern} is broken: {e}"));
        let blanks = blanks.map_or(Blanks::Matched, |(_, blanks)| blanks);
        Ok(Cut { regex: regex.map_err(broken)?, blanks, threes: threes.map(|row| row.2) })
    }

    fn cut<'a>(&self, text: &'a str, out: &mut Vec<&'a str>) {
        let (mut start, mut from) = (0, 0);
        while let Some(found) = self.regex.search(&Input::new(text).range(from..)) {
            let mut range = found.range();
            if self.threes == Some(Threes::AtEnd) && found.pattern().as_usize() == 0 {
                from = range.end;
                continue;
            }
            if self.threes == Some(Threes::Within) {
                from = range.end;
                for at in threes(text, range) {
                    out.push(&text[start..at]);
                    start = at;
                }
                continue;
            }
            out.push(&text[start..range.start]);
            if self.blanks != Blanks::Matched && found.pattern().as_usize() == 1 {
                range.end = self.cut_blanks(text, range.start, range.end, out);
            } else {
                start = range.start;
                if self.threes.is_some() {
                    for at in threes(text, range.clone()) {
                        out.push(&text[start..at]);
                        start = at;
                    }
                }
                out.push(&text[start..range.end]);
            }
            if range.end == from {
                break; // No expression matches nothing; if one did, it would for ever.
            }
            (start, from) = (range.end, range.end);
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

/// Where a run of digits is cut: before every third from the right.
fn threes(text: &str, run: Range<usize>) -> Vec<usize> {
    let count = text[run.clone()].chars().count();
    let digits = text[run.clone()].char_indices().enumerate();
    let cuts = digits.filter(|(at, _)| (count - at).is_multiple_of(3));
    cuts.map(|(_, (at, _))| run.start + at).collect()
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

#[cfg(test)]
mod tests {
    use super::super::pre;
    use super::*;
    use serde_json::Value as Json;

    /// `SOTTO_PRE` names a larger file than the golden one, for a proof by hand.
    #[test]
    fn every_family_cuts_as_its_expressions_say() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pre.json").to_string();
        let path = std::env::var("SOTTO_PRE").unwrap_or(golden);
        let golden: Json = serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON");
        let families = golden["families"].as_array().expect("families");
        assert_eq!(families.len(), pre::FAMILIES.len());
        for family in families {
            let name = family["name"].as_str().expect("a name");
            let splitter = Splitter::new(pre::find(Some(name)).expect("a family")).expect("expressions");
            for (text, want) in
                golden["texts"].as_array().expect("texts").iter().zip(family["lengths"].as_array().expect("lists"))
            {
                let text = text.as_str().expect("a text");
                let words = splitter.split(text);
                assert_eq!(words.concat(), text);
                let lengths: Vec<usize> = words.iter().map(|word| word.len()).collect();
                assert_eq!(serde_json::json!(lengths), *want, "{name}: {text:?} became {words:?}");
            }
        }
    }
}
