//! Texts cut into tags and characters, so that what two have in common never ends within a tag.

/// A text cut where tags begin and end; what is no tag, into characters.
pub(super) fn units(text: &str) -> Vec<&str> {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let length = tag(rest).unwrap_or(char.len_utf8());
        units.push(&rest[..length]);
        rest = &rest[length..];
    }
    units
}

/// The length of the tag at the start of the text: `<…>`, or `[NAME]` in capitals.
fn tag(text: &str) -> Option<usize> {
    let end = match text.as_bytes().first()? {
        b'<' => text[1..].find(['<', '>', '\n', '"']).filter(|at| text[1 + at..].starts_with('>'))?,
        b'[' => text[1..]
            .find(|c: char| !c.is_ascii_uppercase() && !"_/ ".contains(c))
            .filter(|at| *at > 2 && text[1 + at..].starts_with(']'))?,
        _ => return None,
    };
    (end > 0 && end < 64).then_some(end + 2)
}

/// What both texts start with, in whole units.
pub(super) fn common_start(a: &str, b: &str) -> String {
    units(a).into_iter().zip(units(b)).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// What both texts end with, in whole units.
pub(super) fn common_end(a: &str, b: &str) -> String {
    let (a, b) = (units(a), units(b));
    let count = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a[a.len() - count..].concat()
}
