//! The tokens of a chat, with no control token out of a message.
//!
//! A template's own control tokens (`<|im_start|>`) become tokens; the same text inside a message
//! must not. So before rendering, a marker character goes in front of each place in a message
//! where a control token starts. The template moves, trims and splits message text as ever; in
//! the rendered text the markers are taken out again, and where they stood no control token is read.

use serde_json::Value as Json;

use super::source::name_special_tokens;
use super::{ChatTemplate, RenderOptions};
use crate::base::error::Result;
use crate::text::tokenizer::{EncodeOptions, Tokenizer};

/// The tokens of a chat: control tokens are read where the template wrote them, never inside
/// message text. BOS is added as the file says unless the template wrote it itself. A text that has more than `most` tokens
/// however it is cut is not read: that is `PromptTooLong`.
pub fn encode_chat(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &Json,
    options: &RenderOptions,
    most: Option<usize>,
) -> Result<Vec<u32>> {
    let marker = unused_char(messages, options);
    let mut options = options.clone();
    let mut messages = messages.clone();
    mark(tokenizer, marker, &mut messages);
    options.tools.iter_mut().for_each(|tools| mark(tokenizer, marker, tools));
    options.extra.values_mut().for_each(|value| mark(tokenizer, marker, value));
    name_special_tokens(tokenizer, template, &mut options.extra);
    let rendered = template.render(&messages, &options)?;
    let mut text = String::with_capacity(rendered.len());
    let mut guarded = Vec::new();
    for char in rendered.chars() {
        if char == marker {
            guarded.push(text.len());
        } else {
            text.push(char);
        }
    }
    if let Some(most) = most {
        tokenizer.check_bytes(text.len(), most)?;
    }
    let parse = EncodeOptions { add_special: false, parse_special: true };
    let mut ids = tokenizer.encode_guarded(&text, parse, &guarded)?;
    if let Some(bos) = tokenizer.bos().filter(|bos| tokenizer.adds_bos() && ids.first() != Some(bos)) {
        ids.insert(0, bos);
    }
    Ok(ids)
}

/// Puts `marker` in front of each place in the texts of `value` where a control token starts.
fn mark(tokenizer: &Tokenizer, marker: char, value: &mut Json) {
    match value {
        Json::String(text) => *text = marked(tokenizer, marker, text),
        Json::Array(list) => list.iter_mut().for_each(|value| mark(tokenizer, marker, value)),
        Json::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                mark(tokenizer, marker, &mut value);
                map.insert(marked(tokenizer, marker, &key), value);
            }
        }
        _ => {}
    }
}

fn marked(tokenizer: &Tokenizer, marker: char, text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        if tokenizer.starts_with_control(&text[at..]) {
            marked.push(marker);
        }
        marked.push(char);
    }
    marked
}

/// A private-use character that none of the texts holds.
fn unused_char(messages: &Json, options: &RenderOptions) -> char {
    let text = format!("{messages}{:?}{:?}", options.tools, options.extra);
    let used: std::collections::HashSet<char> = text.chars().filter(|c| *c >= '\u{f0000}').collect();
    ('\u{f0000}'..='\u{10fffd}').find(|c| !used.contains(c)).unwrap_or('\u{f0000}')
}
