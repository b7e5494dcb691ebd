//! How a model thinks aloud before it replies: read off its chat template, else from a table.

use serde_json::{Map, Value as Json, json};

use crate::chat::probe::{CONTENT, Probe};
use crate::chat::units::units;
use crate::text::template::ChatTemplate;

/// The texts around a model's reasoning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReasoningForm {
    /// Before a thought.
    pub open: String,
    /// After a thought.
    pub close: String,
    /// Texts around the reply itself, which are no part of it.
    pub markup: Vec<String>,
}

/// A word of a template's source; what opens and closes reasoning; the markup of replies.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Before all else: forms that cannot be read off a rendered reply.
const SPECIAL: [Row; 7] = [
    (
        "<|channel|>analysis",
        "<|channel|>analysis<|message|>",
        "<|end|>",
        &[
            "<|start|>assistant",
            "<|channel|>final<|message|>",
            "<|channel|>commentary<|message|>",
            "<|channel|>commentary",
            "<|end|>",
            "<|return|>",
            "<|call|>",
        ],
    ),
    ("to=self<|message|>", " to=self<|message|>", "<|eom|>", &[" to=user<|message|>", "<|start|>assistant", "<|eom|>"]),
    ("<|channel>thought", "<|channel>thought", "<channel|>", &[]),
    (">>>all", "<think>", "</think>", &[">>>all\n"]),
    ("[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", &["[END FINAL RESPONSE]"]),
    ("<|begin|>assistant", "<|think|>", "<|end|>", &["<|begin|>assistant", "<|content|>", "<|end|>"]),
    (
        "<|end_of_msg|>",
        "<|open|>think<|sep|>",
        "<|close|>think<|sep|>",
        &["<|open|>response<|sep|>", "<|close|>response<|sep|>"],
    ),
];

/// Tags by which models think, though their templates render no reasoning.
const TAGS: [(&str, &str); 7] = [
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<think>", "</think>"),
];

const THOUGHT: &str = "zqthoughtqz"; // cspell:ignore zqthoughtqz

impl ReasoningForm {
    /// How this template's model thinks: what the template renders or says; else `<think>`, which models without a word of
    /// it in their template write too. `variables`: as for the reply itself.
    pub fn of(template: &ChatTemplate, variables: &Map<String, Json>) -> ReasoningForm {
        ReasoningForm::derive(template, variables).unwrap_or_else(ReasoningForm::fallback)
    }

    /// `<think>`.
    pub fn fallback() -> ReasoningForm {
        ReasoningForm::tags(&TAGS[6])
    }

    /// `None` where the template has no reasoning.
    pub fn derive(template: &ChatTemplate, variables: &Map<String, Json>) -> Option<ReasoningForm> {
        let source = template.source();
        let probe = Probe::new(template, variables, None);
        let special = SPECIAL.iter().find(|(word, ..)| source.contains(word)).map(|(_, open, close, markup)| {
            let markup = markup.iter().map(ToString::to_string).collect();
            ReasoningForm { open: (*open).into(), close: (*close).into(), markup }
        });
        special.or_else(|| rendered(&probe)).or_else(|| {
            let tags = TAGS.iter().find(|(open, close)| source.contains(open) || source.contains(close))?;
            Some(ReasoningForm { markup: markup(&probe), ..ReasoningForm::tags(tags) })
        })
    }

    fn tags((open, close): &(&str, &str)) -> ReasoningForm {
        ReasoningForm { open: (*open).into(), close: (*close).into(), markup: Vec::new() }
    }

    /// What stands before the reply itself, where that has markup: behind a thought, or at once after the prompt.
    pub fn lead(&self, after_thought: bool, prompt: &str) -> String {
        let is_turn = |text: &&String| text.ends_with("assistant");
        let opens = |text: &&String| !is_turn(text) && !text.contains("END") && **text != self.close;
        let Some(open) = self.markup.iter().find(opens) else { return String::new() };
        if !after_thought {
            return if prompt.trim_end().ends_with(open.trim()) { String::new() } else { open.clone() };
        }
        self.markup.iter().find(is_turn).cloned().unwrap_or_default() + open
    }

    /// Whether a rendered prompt ends inside reasoning, so that the reply starts with it.
    pub fn opened_by(&self, prompt: &str) -> bool {
        !self.open.is_empty() && prompt.trim_end().ends_with(self.open.trim())
    }
}

/// The tags around a marked thought.
fn rendered(probe: &Probe<'_>) -> Option<ReasoningForm> {
    let fields = ["reasoning_content", "reasoning", "thinking"];
    let mut reply = json!({"role": "assistant", "content": CONTENT});
    for field in fields {
        reply[field] = THOUGHT.into();
    }
    let text = probe.reply(&reply)?;
    let (head, rest) = text.split_once(THOUGHT)?;
    let (between, _) = rest.split_once(CONTENT)?;
    let open = units(head.trim_end()).last().copied()?;
    let close = units(between.trim_start()).first().copied()?;
    let is_pair = open.len() > 2 && close.len() > 2 && head.matches(open).count() == 1;
    is_pair.then(|| ReasoningForm { markup: markup(probe), open: open.into(), close: close.into() })
}

/// Tags around a marked reply: the last before it, where it also has one of its own behind it.
fn markup(probe: &Probe<'_>) -> Vec<String> {
    let found = || {
        let text = probe.reply(&json!({"role": "assistant", "content": CONTENT}))?;
        let (head, tail) = text.split_once(CONTENT)?;
        let open = units(head).last().copied().filter(|tag| tag.len() > 2)?;
        let close = units(tail).first().copied().filter(|tag| tag.len() > 2)?;
        let names = |tag: &str, old: &str, new: &str| tag.to_ascii_uppercase().replace(old, new);
        (names(open, "START", "END") == names(close, "START", "END") && open != close)
            .then(|| vec![open.to_string(), close.to_string()])
    };
    found().unwrap_or_default()
}
