//! Arguments of a call that is not whole yet, where it is known to be one.

use serde_json::{Deserializer, Map, Value as Json};

use super::cursor::{Begun, Cursor};
use super::{Delta, Held, Parser, push};

/// What came out of a call under way.
#[derive(Debug)]
pub(super) struct Early {
    /// Where its arguments begin in the text that is held.
    pub at: usize,
    /// As many bytes of them came out.
    pub told: usize,
}

impl Parser {
    /// Lets out the name and what is there of the arguments; `false` where only a whole call may come out. At the end of a
    /// reply that was cut the call is what there is of it.
    pub(super) fn tell_early(&mut self, Begun { tool, at, sure }: Begun, end: bool, out: &mut Vec<Delta>) -> bool {
        let held_to = self.held_to.get() == Held::Calls;
        if !held_to && (!sure || self.checks.are_made()) {
            return false;
        }
        let told = self.early.as_ref().map_or(0, |early| early.told);
        let text = &self.held[at..];
        let length = if held_to || end { object(text) } else { whole_members(text) };
        let arguments = text.get(told..length).unwrap_or_default().to_string();
        let name = self.early.is_none().then(|| self.tools.name(tool).to_string());
        self.early = Some(Early { at, told: length.max(told) });
        if name.is_some() || !arguments.is_empty() {
            push(out, Delta::Call { index: self.calls, id: None, name, arguments });
        }
        if end {
            self.held.clear();
            self.early = None;
            self.calls += 1;
            self.broken = true;
        } else if !held_to {
            self.wait_for_more();
        }
        true
    }

    /// The rest of a call that is whole now: its `arguments` may have been written otherwise than as JSON.
    pub(super) fn rest_of(&self, Early { at, told }: &Early, arguments: &str) -> String {
        let written = &self.held[*at..];
        match (&written[..*told], arguments.strip_prefix(&written[..*told])) {
            (_, Some(rest)) => rest.to_string(),
            _ => {
                let rest = format!("{{{}", written[*told..].trim_start().trim_start_matches(','));
                let rest = Cursor::new(&rest).value().unwrap_or_default();
                match rest.as_object() {
                    Some(map) if !map.is_empty() => format!(", {}", &rest.to_string()[1..]),
                    _ => "}".into(),
                }
            }
        }
    }
}

/// The length of an object at the start of the text, as far as it is there.
fn object(text: &str) -> usize {
    let mut stream = Deserializer::from_str(text).into_iter::<Json>();
    if matches!(stream.next(), Some(Ok(_))) { stream.byte_offset() } else { text.len() }
}

/// The length of an object's members that are whole, and JSON: up to the comma behind the last of them.
fn whole_members(text: &str) -> usize {
    let (mut depth, mut in_text, mut escaped, mut length) = (0_u32, false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => length = at,
            _ => {}
        }
    }
    let is_json = serde_json::from_str::<Map<String, Json>>(&format!("{}}}", &text[..length])).is_ok();
    if is_json { length } else { 0 }
}
