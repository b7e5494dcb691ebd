//! Prompt lookup: what followed the last time that a text's end was there before. Models that edit, quote or fill in write
//! much of what they have read (Saxena 2023, "Prompt Lookup Decoding").

/// Fewer tokens in common say too little of what comes next.
const SHORTEST: usize = 2;
/// More in common says no more.
const LONGEST: usize = 16;

/// A place of a text that its end is alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where what followed begins.
    pub at: usize,
    /// Tokens before it that are those of the end.
    pub matched: usize,
}

/// The place before which most tokens are those of the end; of several the last.
pub fn find(text: &[u32]) -> Option<Found> {
    let last = text.last()?;
    let mut best = Found { at: 0, matched: SHORTEST - 1 };
    for at in 1..text.len() {
        if text[at - 1] == *last {
            let pairs = text[..at].iter().rev().zip(text.iter().rev()).take(LONGEST);
            let matched = pairs.take_while(|(a, b)| a == b).count();
            if matched >= best.matched {
                best = Found { at, matched };
            }
        }
    }
    Some(best).filter(|best| best.matched >= SHORTEST)
}

/// So many tokens as they came there; beyond the end of the text they repeat.
pub fn follow(text: &[u32], at: usize, count: usize) -> Vec<u32> {
    text[at..].iter().cycle().take(count).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_is_taken_and_of_equals_the_last() {
        let text = [1, 2, 3, 7, 9, 2, 3, 8, 1, 2, 3];
        assert_eq!(find(&text), Some(Found { at: 3, matched: 3 }));
        let text = [2, 3, 7, 9, 2, 3, 8, 5, 2, 3];
        assert_eq!(find(&text), Some(Found { at: 6, matched: 2 }));
        assert_eq!(follow(&text, 6, 3), [8, 5, 2]);
        for short in [&[][..], &[4], &[4, 4], &[1, 3, 2, 3]] {
            assert_eq!(find(short), None, "{short:?}");
        }
    }

    #[test]
    fn what_repeats_goes_on_repeating() {
        let text = [5, 1, 2, 3, 1, 2, 3, 1, 2];
        let Some(Found { at, matched }) = find(&text) else { panic!("it is there") };
        assert_eq!((at, matched), (6, 5));
        assert_eq!(follow(&text, at, 7), [3, 1, 2, 3, 1, 2, 3]);
    }
}
