//! Models' expressions look ahead in a few places, which automata cannot: what can be matched of each, and what is computed
//! of the rest. The build reads this file too (`build/expressions.rs`), so it knows no other.

/// How a run of blanks is cut: its last one goes with the word behind it.
#[derive(Clone, Copy, PartialEq)]
pub enum Blanks {
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
pub enum Threes {
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

/// One expression as it is done.
pub struct Plan {
    /// What automata match. Of two patterns the second is a run of blanks, or the first a run of digits that is left alone.
    pub patterns: Vec<&'static str>,
    pub blanks: Blanks,
    pub threes: Option<Threes>,
}

pub fn plan(expression: &'static str) -> Plan {
    let threes = THREES.iter().find(|(known, ..)| *known == expression);
    let expression = threes.map_or(expression, |(_, run, _)| run);
    let blanks = BLANKS.iter().find_map(|(end, blanks)| Some((expression.strip_suffix(end)?, *blanks)));
    let patterns = match (blanks, threes) {
        (Some((start, _)), _) => vec![start, r"\s+"],
        (None, Some((_, run, Threes::AtEnd))) => vec![WORD_GOES_ON, run],
        _ => vec![expression],
    };
    let blanks = blanks.map_or(Blanks::Matched, |(_, blanks)| blanks);
    Plan { patterns, blanks, threes: threes.map(|row| row.2) }
}
