//! A form read off a template: marked calls are rendered, and what surrounds the marks is the form.

use serde_json::{Map, Value as Json, json};

use super::locate::{FIRST, Marks, SECOND, locate};
use super::{Call, Form, Origin, Part, table};
use crate::chat::probe::{CONTENT, Probe, QUESTION};
use crate::chat::reasoning::ReasoningForm;
use crate::chat::units::{common_end, common_start, units};
use crate::text::template::ChatTemplate;

const NUMBER: i64 = 7_041_776;

/// What is longer is the template's own text, as Command-R's.
const MAX_CLOSE: usize = 100;

/// A call's arguments are given to templates as an object; a few want its JSON as text. Ids are free, or those that a
/// model makes of the name.
const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

impl Form {
    /// How this template's model calls tools: what the template renders, else a table of what its words tell, else Sotto's
    /// own form, which any model can follow. `variables`: more of them (`enable_thinking`), as for the reply itself.
    pub fn of(template: &ChatTemplate, variables: &Map<String, Json>) -> Form {
        if table::instead(template) {
            let form = table::form(template, variables).unwrap_or_else(Form::generic);
            return Form { writes_calls: true, ..form };
        }
        Form::derive(template, variables).or_else(|| table::form(template, variables)).unwrap_or_else(|| {
            let Abilities { lists_tools, takes_system } = abilities(template, variables);
            Form { lists_tools, takes_system, ..Form::generic() }
        })
    }

    /// `None` where the template renders no calls, or in a way that was not understood.
    pub fn derive(template: &ChatTemplate, variables: &Map<String, Json>) -> Option<Form> {
        let calls = Calls::new(template, variables);
        WAYS.into_iter().find_map(|(as_text, id_of_name)| calls.form(as_text, id_of_name))
    }
}

/// What a template can do by itself.
pub(super) struct Abilities {
    /// Shows a tool's name to the model.
    pub lists_tools: bool,
    /// Has a place for a system text.
    pub takes_system: bool,
}

pub(super) fn abilities(template: &ChatTemplate, variables: &Map<String, Json>) -> Abilities {
    Calls::new(template, variables).abilities()
}

struct Calls<'a> {
    probe: Probe<'a>,
    reasoning: Option<ReasoningForm>,
}

impl<'a> Calls<'a> {
    fn new(template: &'a ChatTemplate, variables: &Map<String, Json>) -> Calls<'a> {
        let probe = Probe::new(template, variables, Some(json!([FIRST.tool(), SECOND.tool()])));
        Calls { probe, reasoning: ReasoningForm::derive(template, variables) }
    }

    fn abilities(&self) -> Abilities {
        let question = json!({"role": "user", "content": QUESTION});
        let shows = |messages, what| self.probe.messages(&messages, false).is_some_and(|text| text.contains(what));
        Abilities {
            lists_tools: shows(json!([question]), FIRST.name),
            takes_system: shows(json!([{"role": "system", "content": CONTENT}, question]), CONTENT),
        }
    }

    fn calls(&self, content: &str, calls: Vec<Json>) -> Option<String> {
        self.probe.reply(&json!({"role": "assistant", "content": content, "tool_calls": calls}))
    }

    fn form(&self, as_text: bool, id_of_name: bool) -> Option<Form> {
        let arguments = |marks: &Marks| {
            let arguments = marks.arguments();
            if as_text { Json::String(arguments.to_string()) } else { arguments }
        };
        let call = |marks: &Marks, index: usize, arguments: Json| {
            let id = if id_of_name { format!("functions.{}:{index}", marks.name) } else { marks.id.to_string() };
            json!({"id": id, "type": "function", "function": {"name": marks.name, "arguments": arguments}})
        };
        let first = || call(&FIRST, 0, arguments(&FIRST));
        let one = self.calls("", vec![first()])?;
        let found = locate(&one, &FIRST)?;
        let plain = self.probe.reply(&json!({"role": "assistant", "content": CONTENT}));
        let tail = plain.as_ref().and_then(|plain| plain.split_once(CONTENT)).map(|(_, tail)| tail.to_string());
        let abilities = self.abilities();
        let mut form = Form {
            origin: Origin::Template,
            lists_tools: abilities.lists_tools,
            takes_system: abilities.takes_system,
            writes_calls: true,
            id_of_name,
            call: found.call.clone(),
            ..Form::default()
        };
        let mut pre = self.own(&one[..found.span.start], plain.as_deref());
        let beside = self.calls(CONTENT, vec![first()]).and_then(|text| {
            let span = locate(&text, &FIRST)?.span;
            Some(text[..span.start].rsplit_once(CONTENT)?.1.to_string())
        });
        if let Some(beside) =
            beside.filter(|beside| beside.trim().len() < pre.trim().len() && !beside.trim().is_empty())
        {
            pre = beside;
        }
        let two = self.calls("", vec![first(), call(&SECOND, 1, arguments(&SECOND))]);
        let second = two.as_deref().and_then(|two| Some((two, locate(two, &FIRST)?, locate(two, &SECOND)?)));
        let without_tail = |post: &str| {
            let tail = tail.as_deref().unwrap_or_default();
            post[..post.len() - common_end(post, tail).len()].to_string()
        };
        match second.filter(|(_, a, b)| a.span.end <= b.span.start) {
            Some((two, a, b)) => {
                let (middle, post) = (&two[a.span.end..b.span.start], without_tail(&two[b.span.end..]));
                form.several = true;
                // The prompt itself may end with the start of a call.
                let start = one[..found.span.start].trim_end();
                if pre.trim().is_empty() && !middle.trim().is_empty() && start.ends_with(middle.trim()) {
                    pre = middle.to_string();
                }
                form.before = common_end(&pre, middle);
                form.after = common_start(&middle[..middle.len() - form.before.len()], &post);
                form.between = middle[form.after.len()..middle.len() - form.before.len()].to_string();
                form.open = pre[..pre.len() - form.before.len()].to_string();
                form.close = post[form.after.len()..].to_string();
                form.call = with_index(found.call, b.call);
            }
            None => {
                form.after = without_tail(&one[found.span.end..]);
                form.before = pre;
            }
        }
        self.kinds(&mut form, first());
        form.tidy(tail.as_deref().unwrap_or_default());
        Some(form)
    }

    /// Of the text before a call, what is the call's and not the start of every reply (`plain`, one without calls).
    fn own(&self, text: &str, plain: Option<&str>) -> String {
        let prompt = self.probe.prompt().unwrap_or_default();
        let from_prompt = if text.starts_with(&prompt) { prompt.len() } else { 0 };
        let head = plain.and_then(|plain| plain.split_once(CONTENT)).map(|(head, _)| common_start(text, head));
        // Back to where a word or tag begins: two headers may share a few letters.
        let whole = |head: String| {
            let mut length = head.len();
            for unit in units(&head).into_iter().rev() {
                if unit.len() > 1 || unit.trim().is_empty() {
                    break;
                }
                length -= unit.len();
            }
            length
        };
        let own = &text[head.map_or(0, whole).max(from_prompt)..];
        let thought = self.reasoning.as_ref().and_then(|form| Some(own.rfind(&form.close)? + form.close.len()));
        own[thought.unwrap_or(0)..].to_string()
    }

    /// Completes pairs: a value that is no string may have another word before it.
    fn kinds(&self, form: &mut Form, mut call: Json) {
        let Call::Text(parts) = &mut form.call else { return };
        let Some(pairs) =
            parts.iter_mut().find_map(|part| if let Part::Pairs(pairs) = part { Some(pairs) } else { None })
        else {
            return;
        };
        call["function"]["arguments"] = json!({FIRST.keys[0]: NUMBER});
        let Some(text) = self.calls("", vec![call]) else { return };
        let other = text.split_once(FIRST.keys[0]).and_then(|(_, rest)| rest.split_once(&NUMBER.to_string()));
        let Some((other, _)) = other.filter(|(other, _)| *other != pairs.value) else { return };
        let same = |(a, b): &(char, char)| a == b;
        let start: usize = pairs.value.chars().zip(other.chars()).take_while(same).map(|(a, _)| a.len_utf8()).sum();
        let end = pairs.value.chars().rev().zip(other.chars().rev()).take_while(same).map(|(a, _)| a.len_utf8()).sum();
        let (start, end): (usize, usize) = (word_start(&pairs.value[..start]), end);
        if start + end > pairs.value.len().min(other.len()) {
            return;
        }
        let tail = pairs.value[pairs.value.len() - end..].trim_start_matches(char::is_alphanumeric).to_string();
        let word = |text: &str| text[start..text.len() - tail.len()].to_string();
        pairs.kind = Some((word(&pairs.value), word(other), tail.clone()));
        pairs.value.truncate(start);
    }
}

/// Where the word begins that the text ends in.
fn word_start(text: &str) -> usize {
    text.trim_end_matches(char::is_alphanumeric).len()
}

/// Two calls whose texts differ in a number: it counts them.
fn with_index(first: Call, second: Call) -> Call {
    let (Call::Text(first), Call::Text(second)) = (&first, &second) else { return first };
    let mut parts = Vec::new();
    for (index, part) in first.iter().enumerate() {
        match (part, second.get(index)) {
            (Part::Text(a), Some(Part::Text(b))) if a != b => {
                let digit = a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
                let Some(at) = digit.filter(|at| a[*at..].starts_with(|c: char| c.is_ascii_digit())) else {
                    parts.push(Part::Anything);
                    continue;
                };
                parts.extend([Part::Text(a[..at].to_string()), Part::Index, Part::Text(a[at + 1..].to_string())]);
            }
            _ => parts.push(part.clone()),
        }
    }
    parts.retain(|part| *part != Part::Text(String::new()));
    Call::Text(parts)
}

impl Form {
    /// White space before the first call says nothing, nor does what is behind the end of a turn (`tail`).
    fn tidy(&mut self, tail: &str) {
        let start = if self.open.is_empty() { &mut self.before } else { &mut self.open };
        *start = start.trim_start().to_string();
        let end = units(tail.trim_start()).first().copied().filter(|unit| unit.len() > 1);
        if let Some(at) = end.and_then(|end| self.close.find(end)) {
            self.close.truncate(at);
        }
        if self.close.len() > MAX_CLOSE {
            self.close.clear();
        }
        self.close.truncate(self.close.trim_end().len());
    }
}
