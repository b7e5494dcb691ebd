//! How BERT's models have text normalized: what is removed, set apart, taken apart, made small. `letters.txt` holds what
//! Hugging Face's normalizer makes of each character (`tests/golden/make_letters.py`): its crates would bring tables of
//! four times the size.

/// Pairs of characters, the first and the last of a range.
struct Ranges(Vec<(char, char)>);

impl Ranges {
    fn read(line: &str) -> Ranges {
        let chars: Vec<char> = line.chars().collect();
        Ranges(chars.as_chunks::<2>().0.iter().map(|[first, last]| (*first, *last)).collect())
    }

    fn contains(&self, char: char) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= char);
        after > 0 && char <= self.0[after - 1].1
    }
}

pub struct Letters {
    removed: Ranges,
    /// Words by themselves: ideographs.
    apart: Ranges,
    punctuation: Ranges,
    marks: Ranges,
    /// Letters in ascending order, and what is left of them without their marks.
    bare: Vec<(char, &'static str)>,
    lowercase: bool,
    strip: bool,
}

impl Letters {
    /// `strip`: marks are taken off letters.
    pub fn new(lowercase: bool, strip: bool) -> Letters {
        let mut lines = include_str!("letters.txt").split('\n');
        let mut ranges = || Ranges::read(lines.next().unwrap_or_default());
        let (removed, apart, punctuation, marks) = (ranges(), ranges(), ranges(), ranges());
        let rows = lines.filter_map(|line| line.split_once('\t'));
        let mut bare: Vec<_> = rows.flat_map(|(bare, chars)| chars.chars().map(move |char| (char, bare))).collect();
        bare.sort_unstable();
        Letters { removed, apart, punctuation, marks, bare, lowercase, strip }
    }

    pub fn is_punctuation(&self, char: char) -> bool {
        self.punctuation.contains(char)
    }

    pub fn normalize(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for char in text.chars().filter(|char| !self.removed.contains(*char)) {
            if char.is_whitespace() {
                out.push(' ');
            } else if self.apart.contains(char) {
                out.push(' ');
                self.strip(char, &mut out);
                out.push(' ');
            } else {
                self.strip(char, &mut out);
            }
        }
        out
    }

    fn strip(&self, char: char, out: &mut String) {
        if !self.strip || char.is_ascii() {
            self.push(char, out);
        } else if let Some(jamo) = jamo(char) {
            jamo.into_iter().flatten().for_each(|char| self.push(char, out));
        } else if let Ok(at) = self.bare.binary_search_by_key(&char, |(letter, _)| *letter) {
            self.bare[at].1.chars().for_each(|char| self.push(char, out));
        } else if !self.marks.contains(char) {
            self.push(char, out);
        }
    }

    fn push(&self, char: char, out: &mut String) {
        if self.lowercase {
            out.extend(char.to_lowercase());
        } else {
            out.push(char);
        }
    }
}

/// The two or three letters of a syllable of Hangul (The Unicode Standard, 3.12).
fn jamo(char: char) -> Option<[Option<char>; 3]> {
    let index = (char as u32).checked_sub(0xac00).filter(|index| *index < 11_172)?;
    let (first, middle, last) = (index / 588, index % 588 / 28, index % 28);
    let last = char::from_u32(0x11a7 + last).filter(|_| last > 0);
    Some([char::from_u32(0x1100 + first), char::from_u32(0x1161 + middle), last])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::{NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    #[test]
    fn every_character_becomes_what_hugging_face_makes_of_it() {
        for (lowercase, strip) in [(true, true), (false, false)] {
            let letters = Letters::new(lowercase, strip);
            let theirs = BertNormalizer::new(true, true, Some(strip), lowercase);
            for char in ('\0'..'\u{30000}').chain('\u{e0000}'..'\u{e0200}') {
                let text = format!("a{char}\u{301}B");
                let mut want = NormalizedString::from(text.as_str());
                theirs.normalize(&mut want).expect("it normalizes");
                assert_eq!(letters.normalize(&text), want.get(), "{char:?}");
            }
        }
    }

    #[test]
    fn punctuation_is_what_hugging_face_cuts_at() {
        let letters = Letters::new(true, true);
        for char in '\0'..'\u{20000}' {
            let mut text = PreTokenizedString::from(format!("a{char}b"));
            tokenizers::pre_tokenizers::bert::BertPreTokenizer.pre_tokenize(&mut text).expect("it cuts");
            let words = text.get_splits(OffsetReferential::Original, OffsetType::Byte).len();
            assert_eq!(letters.is_punctuation(char), words == 3, "{char:?}");
        }
    }
}
