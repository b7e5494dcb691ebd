//! A form read off a template: marked calls are rendered, and what surrounds the marks is the form.

use serde_json::{Map, Value as Json, json};

use super::locate::{FIRST, Marks, SECOND, locate};
use super::{Call, Form, Origin, Part, table};
use crate::chat::reasoning::ReasoningForm;
use crate::chat::units::{common_end, common_start, units};
use crate::text::template::{ChatTemplate, RenderOptions};

const QUESTION: &str = "zqquestionqz";
const CONTENT: &str = "zqcontentqz";
const NUMBER: i64 = 7_041_776;

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
            let lists_tools = lists_tools(template, variables);
            Form { lists_tools, ..Form::generic() }
        })
    }

    /// `None` where the template renders no calls, or in a way that was not understood.
    pub fn derive(template: &ChatTemplate, variables: &Map<String, Json>) -> Option<Form> {
        let probe = Probe::new(template, variables);
        WAYS.into_iter().find_map(|(as_text, id_of_name)| probe.form(as_text, id_of_name))
    }
}

/// Whether the template shows a tool's name to the model.
pub(super) fn lists_tools(template: &ChatTemplate, variables: &Map<String, Json>) -> bool {
    Probe::new(template, variables).lists_tools()
}

struct Probe<'a> {
    template: &'a ChatTemplate,
    options: RenderOptions,
    reasoning: Option<ReasoningForm>,
}

impl<'a> Probe<'a> {
    fn new(template: &'a ChatTemplate, variables: &Map<String, Json>) -> Probe<'a> {
        let tools = Some(json!([FIRST.tool(), SECOND.tool()]));
        let options =
            RenderOptions { tools, now: Some(0), extra: variables.clone(), ..RenderOptions::default() };
        Probe { template, options, reasoning: ReasoningForm::derive(template, variables) }
    }

    fn lists_tools(&self) -> bool {
        let question = json!([{"role": "user", "content": QUESTION}]);
        self.template.render(&question, &self.options).is_ok_and(|text| text.contains(FIRST.name))
    }

    /// What follows the question.
    fn render(&self, reply: Option<Json>, add_generation_prompt: bool) -> Option<String> {
        let mut messages = vec![json!({"role": "user", "content": QUESTION})];
        messages.extend(reply);
        let options = RenderOptions { add_generation_prompt, ..self.options.clone() };
        let text = self.template.render(&Json::Array(messages), &options).ok()?;
        Some(text.rsplit_once(QUESTION)?.1.to_string())
    }

    fn calls(&self, content: &str, calls: Vec<Json>) -> Option<String> {
        self.render(Some(json!({"role": "assistant", "content": content, "tool_calls": calls})), false)
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
        let plain = self.render(Some(json!({"role": "assistant", "content": CONTENT})), false);
        let tail = plain.as_ref().and_then(|plain| plain.split_once(CONTENT)).map(|(_, tail)| tail.to_string());
        let mut form = Form {
            origin: Origin::Template,
            lists_tools: self.lists_tools(),
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
        if let Some(beside) = beside.filter(|beside| beside.trim().len() < pre.trim().len() && !beside.trim().is_empty()) {
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
        form.tidy();
        Some(form)
    }

    /// Of the text before a call, what is the call's and not the start of every reply (`plain`, one without calls).
    fn own(&self, text: &str, plain: Option<&str>) -> String {
        let prompt = self.render(None, true).unwrap_or_default();
        let from_prompt = if text.starts_with(&prompt) { prompt.len() } else { 0 };
        let head = plain.and_then(|plain| plain.split_once(CONTENT)).map(|(head, _)| common_start(text, head));
        // Back to where a word or tag begins: two headers may share a few letters.
        let whole = |head: String| {
            let mut length = head.len();
            for unit in units(&head).into_iter().rev() {
                if unit.len() > 1 || unit.trim().is_empty() || length == text.len() {
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
        let Some(pairs) = parts.iter_mut().find_map(|part| if let Part::Pairs(pairs) = part { Some(pairs) } else { None })
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
    /// White space around texts says nothing, nor does what is behind the end of a turn.
    fn tidy(&mut self) {
        for text in [&mut self.open, &mut self.before, &mut self.after, &mut self.between, &mut self.close] {
            *text = text.trim().to_string();
        }
        if self.close.len() > 100 {
            self.close = units(&self.close).into_iter().take(2).collect();
        }
    }
}
