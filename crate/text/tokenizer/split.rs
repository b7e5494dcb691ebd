//! Cuts a text into words by regular expressions, in a time that grows with the text alone: by automata, which never go
//! back. They cannot look ahead, as the models' expressions do in a few places; what those mean is computed instead.

use std::ops::Range;

use super::ahead::{Blanks, Plan, Threes, plan};
use super::automaton::Automaton;
use super::pre::Pre;
use crate::base::error::Result;

/// One expression: cuts out what it matches.
struct Cut {
    automaton: Automaton,
    blanks: Blanks,
    threes: Option<Threes>,
}

impl Cut {
    fn new(expression: &'static str) -> Result<Cut> {
        let Plan { patterns, blanks, threes } = plan(expression);
        Ok(Cut { automaton: Automaton::new(&patterns)?, blanks, threes })
    }

    fn cut<'a>(&self, text: &'a str, out: &mut Vec<&'a str>) {
        let (mut start, mut from) = (0, 0);
        while let Some(found) = self.automaton.find(text, from) {
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
