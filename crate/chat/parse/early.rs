//! Arguments of a call that is not whole yet, where it is known to be one.

use serde_json::{Deserializer, Value as Json};

use super::{Delta, Parser, push};

impl Parser {
    /// Lets out the name and what is there of the arguments, which begin at a byte of `held`; `false` where only a whole
    /// call may come out. At the end of a reply that was cut the call is what there is of it.
    pub(super) fn tell_early(&mut self, (tool, at): (usize, usize), end: bool, out: &mut Vec<Delta>) -> bool {
        if !self.held_to.get() {
            return false;
        }
        let text = &self.held[at..];
        let mut stream = Deserializer::from_str(text).into_iter::<Json>();
        let whole = matches!(stream.next(), Some(Ok(_)));
        let text = &text[..if whole { stream.byte_offset() } else { text.len() }];
        let name = self.early.is_none().then(|| self.tools.name(tool).to_string());
        let arguments = text.get(self.early.unwrap_or(0)..).unwrap_or_default().to_string();
        self.early = Some(text.len());
        if name.is_some() || !arguments.is_empty() {
            push(out, Delta::Call { index: self.calls, id: None, name, arguments });
        }
        if end {
            self.held.clear();
            self.early = None;
            self.calls += 1;
        }
        true
    }
}
