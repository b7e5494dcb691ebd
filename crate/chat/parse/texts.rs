//! Parts of the texts that forms are made of.

/// The part of a text that a prompt ends with: three characters at least, so that it is no chance.
pub(super) fn begun(prompt: &str, text: String) -> Option<String> {
    let prompt = prompt.trim_end();
    let ends = text.char_indices().skip(2).map(|(at, char)| at + char.len_utf8());
    let length = ends.filter(|length| prompt.ends_with(&text[..*length])).last()?;
    Some(text[..length].to_string())
}

/// The start of a text up to white space or JSON.
pub(in crate::chat) fn first_word(text: &str) -> &str {
    let text = text.trim();
    let end = text.char_indices().skip(1).find(|(_, char)| char.is_whitespace() || "[{".contains(*char));
    let word = &text[..end.map_or(text.len(), |(at, _)| at)];
    if word == "[" || word == "{" { "" } else { word }
}
