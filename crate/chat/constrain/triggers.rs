//! Where a free text turns into calls.

use crate::chat::forms::Call;
use crate::chat::parse::first_word;
use crate::chat::writing::Writing;

/// The texts that a call begins with.
pub struct Triggers {
    texts: Vec<String>,
    /// JSON that is a call, if it is what the reply starts with: its first key.
    key: Option<String>,
}

impl Triggers {
    /// `None` where nothing can be called.
    pub fn of(writing: &Writing) -> Option<Triggers> {
        let form = writing.form().filter(|_| writing.has_tools())?;
        let first = if first_word(&form.open).is_empty() { &form.before } else { &form.open };
        let text = first_word(first).to_string();
        let key = match &form.call {
            Call::Json(keys) if form.is_bare() => Some(keys.inner.clone().unwrap_or_else(|| keys.name.clone())),
            _ => None,
        };
        let texts: Vec<String> = Some(text).filter(|text| text.len() > 2).into_iter().collect();
        (key.is_some() || !texts.is_empty()).then_some(Triggers { texts, key })
    }

    /// Where in the text the first call begins, at `from` or later; as text and key are known whole.
    pub fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        if let Some(key) = self.key.as_ref().filter(|_| from == 0) {
            let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
            let rest: Vec<u8> = text[start..].iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            if rest.starts_with(format!("{{\"{key}\"").as_bytes()) {
                return Some(start);
            }
        }
        let found = self.texts.iter().filter_map(|trigger| find(text, trigger.as_bytes(), from));
        found.min()
    }

    /// As many bytes before new ones may be the start of a trigger.
    pub fn longest(&self) -> usize {
        self.texts.iter().map(String::len).max().unwrap_or(0)
    }
}

fn find(text: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
}
