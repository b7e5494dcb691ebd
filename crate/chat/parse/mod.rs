//! A reply taken apart while it streams: content, reasoning, calls of tools.
//!
//! Text is held back only where a tag or call may have begun. A call comes out once it is sure that it is one: where its tag,
//! the name of a tool and the start of its arguments are there, or a grammar holds it to its form; else once it is whole, so
//! what turns out to be none is content. Where calls are checked, one that no grammar holds comes out whole, and only where its
//! arguments fit the tool's schema. What comes out in all does not depend on how the text was cut.

mod call;
mod cursor;
mod early;
mod held;
mod texts;
mod thoughts;
mod tools;

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value as Json;

use super::forms::{Form, table};
use super::reasoning::ReasoningForm;
use super::units::units;
use call::Found;
use cursor::{Cursor, Stop};
use early::Early;
pub use held::Held;
use texts::begun;
pub(super) use texts::first_word;
use thoughts::Thoughts;
pub use tools::Checks;
use tools::Tools;

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Said to the user.
    Content(String),
    /// Thought before.
    Reasoning(String),
    /// A call, or more of it. `index`: its number within the reply. `id`, where the model wrote one, and `name` come in a
    /// call's first delta. `arguments`: a piece of the text of a JSON object.
    Call {
        /// Its number within the reply.
        index: usize,
        /// In a call's first delta, where the model wrote one.
        id: Option<String>,
        /// In a call's first delta.
        name: Option<String>,
        /// A piece of the text of a JSON object.
        arguments: String,
    },
}

/// How often what never became a call is read again from within, once the text has ended.
const MAX_TRIES: u32 = 100;
const FENCE: &str = "```";

/// Takes one reply apart.
pub struct Parser {
    /// The model's form first.
    forms: Vec<Form>,
    reasoning: ReasoningForm,
    tools: Tools,
    checks: Checks,
    /// Where to stop and look: texts without white space.
    starts: Vec<(String, Start)>,
    /// What may follow a call and says nothing, by the form of the last.
    closers: Vec<String>,
    closing: Option<usize>,
    held: String,
    /// As many bytes of `held` are the prompt's, and never come out.
    ghost: usize,
    /// White space that comes out if content follows.
    space: String,
    /// It stood before the last call; else what stands behind the call and its closing texts is it.
    spaced: bool,
    thinking: bool,
    /// Nothing but white space since the start, a call or a thought.
    blank: bool,
    /// Content has come out.
    started: bool,
    /// White space at the start of what comes is not the reply's.
    trims: bool,
    /// The last call was in a code fence.
    fenced: bool,
    calls: usize,
    /// What a grammar holds the reply to.
    held_to: Rc<Cell<Held>>,
    /// The markup before a reply that is held to a form: at its start, and behind a thought.
    leads: [Option<String>; 2],
    /// A thought is over.
    has_thought: bool,
    /// The text ended before the model ended it.
    cut: bool,
    /// A call came out in part.
    broken: bool,
    /// What came out of the call under way.
    early: Option<Early>,
    thoughts: Thoughts,
    /// As many bytes were pushed.
    read: usize,
    /// No call is looked for before `held` is as long as this.
    wait: usize,
    tries: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Start {
    Call,
    Reasoning,
    /// The end of reasoning that never began.
    Close,
    Markup,
}

impl Parser {
    /// `tools`: those that may be called, in OpenAI's form; without any nothing is a call. `prompt`: the rendered prompt, or
    /// its end: it may have opened reasoning or a call already.
    pub fn new(form: &Form, reasoning: &ReasoningForm, tools: &[Json], prompt: &str) -> Parser {
        let tools = Tools::new(tools);
        let mut forms = Vec::new();
        if !tools.is_empty() {
            forms.push(form.clone());
            forms.extend(table::common().into_iter().filter(|common| common != form));
        }
        let mut starts: Vec<(String, Start)> = Vec::new();
        let mut add = |text: &str, start| {
            if !text.is_empty() && starts.iter().all(|(known, _)| known != text) {
                starts.push((text.to_string(), start));
            }
        };
        add(&reasoning.open, Start::Reasoning);
        add(&reasoning.close, Start::Close);
        reasoning.markup.iter().for_each(|text| add(text, Start::Markup));
        for form in &forms {
            add(first_word(&form.open), Start::Call);
            add(first_word(&form.before), Start::Call);
            add(first_word(form.short().unwrap_or_default()), Start::Call);
            add(FENCE, Start::Call);
        }
        let thinking = reasoning.opened_by(prompt);
        let opened = forms.first().map(|form| format!("{}{}", form.open, form.before)).into_iter();
        let opened = opened.chain(reasoning.markup.iter().cloned()).filter(|_| !thinking);
        let held = opened.filter_map(|text| begun(prompt, text)).max_by_key(String::len).unwrap_or_default();
        Parser {
            ghost: held.len(),
            forms,
            reasoning: reasoning.clone(),
            tools,
            checks: Checks::default(),
            starts,
            closers: Vec::new(),
            closing: None,
            held,
            space: String::new(),
            spaced: false,
            thinking,
            blank: true,
            started: false,
            trims: thinking,
            fenced: false,
            calls: 0,
            held_to: Rc::default(),
            leads: [false, true].map(|after| Some(reasoning.lead(after, prompt))),
            has_thought: false,
            cut: false,
            broken: false,
            early: None,
            thoughts: Thoughts::default(),
            read: 0,
            wait: 0,
            tries: 0,
        }
    }

    /// What is held to a grammar is read as that says; arguments of calls come out as they come.
    pub fn held_to(mut self, held_to: Rc<Cell<Held>>) -> Parser {
        self.held_to = held_to;
        self
    }

    /// Calls that no grammar holds are checked.
    pub fn checked(mut self, checks: Checks) -> Parser {
        self.checks = checks;
        self
    }

    /// More of the reply, control tokens' texts included; what is known of it so far.
    pub fn push(&mut self, text: &str) -> Vec<Delta> {
        self.held.push_str(text);
        self.read += text.len();
        let mut out = Vec::new();
        if self.held.len() >= self.wait {
            while self.step(false, &mut out) {}
        }
        out
    }

    /// What is still held back, once no more text comes.
    pub fn finish(&mut self) -> Vec<Delta> {
        let mut out = Vec::new();
        while self.step(true, &mut out) {}
        if self.calls == 0 && !self.space.is_empty() {
            let space = std::mem::take(&mut self.space);
            push(&mut out, self.delta(space));
        }
        out
    }

    /// How many calls were found.
    pub fn calls(&self) -> usize {
        self.calls
    }

    fn delta(&self, text: String) -> Delta {
        if self.thinking { Delta::Reasoning(text) } else { Delta::Content(text) }
    }

    /// Takes something off `held`; `false` where nothing can be done before more text comes.
    fn step(&mut self, end: bool, out: &mut Vec<Delta>) -> bool {
        self.wait = 0;
        if self.held.is_empty() {
            return false;
        }
        if self.thinking {
            return self.thought(end, out);
        }
        if self.is_verbatim() {
            self.verbatim(out);
            return false;
        }
        if self.held_to.get() == Held::Undecided && !end {
            return false;
        }
        if self.blank && self.calls > 0 && self.after_call(end) {
            return false;
        }
        // Behind a call another may follow without a word; JSON may be one at the start of a reply.
        let bare = (self.blank && !self.tools.is_empty())
            .then(|| self.held.len() - self.held.trim_start().len())
            .filter(|at| self.calls > 0 || self.held[*at..].starts_with(['{', '[']))
            .map(|at| (at, 0, Start::Call));
        // Of several at one place the longest.
        let found =
            self.first_start().into_iter().chain(bare).min_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)));
        let keep = if end { 0 } else { self.may_begin() };
        let Some((at, length, start)) = found.filter(|(at, ..)| *at <= self.held.len() - keep) else {
            if self.breaks_off(end) {
                self.held.clear();
            }
            let whole = self.held.len() - keep.min(self.held.len());
            self.content(whole, out);
            return false;
        };
        if at > 0 {
            self.content(at, out);
            return true;
        }
        // A longer one may begin here as well.
        if !end && self.starts.iter().any(|(text, _)| text.len() > self.held.len() && text.starts_with(&self.held)) {
            return false;
        }
        match start {
            Start::Markup => self.skip(length),
            Start::Reasoning if self.blank => {
                self.skip(length);
                self.space.clear();
                self.thinking = true;
            }
            Start::Close if self.blank => self.skip(length),
            Start::Reasoning | Start::Close => self.content(length, out),
            Start::Call => return self.try_call(end, out),
        }
        true
    }

    /// Takes off markup; what follows starts anew.
    fn skip(&mut self, length: usize) {
        self.drain(length);
        self.blank = true;
        self.trims = true;
    }

    fn drain(&mut self, length: usize) -> String {
        let shown = self.held[self.ghost.min(length)..length].to_string();
        self.held.drain(..length);
        self.ghost = self.ghost.saturating_sub(length);
        shown
    }

    /// Takes white space and closing texts behind a call. `true` where more text may complete one.
    fn after_call(&mut self, end: bool) -> bool {
        'closer: loop {
            let space = self.held.len() - self.held.trim_start().len();
            let space = self.drain(space);
            if !self.spaced && !self.trims {
                self.space += &space;
            }
            let before = self.closing.map(|form| self.forms[form].before.trim()).filter(|text| !text.is_empty());
            if let Some(before) = before {
                match Cursor::new(&self.held).text(before) {
                    Ok(()) => break,
                    Err(Stop::More) if !end => return true,
                    Err(_) => {}
                }
            }
            for closer in &self.closers {
                let mut cursor = Cursor::new(&self.held);
                match cursor.text(closer) {
                    Ok(()) => {
                        if closer == FENCE {
                            self.closers.retain(|closer| closer != FENCE);
                        }
                        self.drain(cursor.at);
                        if !self.spaced {
                            self.space.clear();
                        }
                        continue 'closer;
                    }
                    Err(Stop::More) if !end => return true,
                    Err(_) => {}
                }
            }
            break;
        }
        self.held.is_empty()
    }

    /// What may follow a call of this form: its texts, and each of their tags.
    fn set_closers(&mut self, form: usize, fenced: bool) {
        self.closing = Some(form);
        let form = &self.forms[form];
        let texts = [&form.after, &form.between, &form.close];
        let is_tag = |unit: &&str| !unit.trim().is_empty() && !unit.starts_with(char::is_alphanumeric);
        let mut closers: Vec<String> = texts.iter().map(|text| text.trim().to_string()).collect();
        closers.extend(texts.iter().flat_map(|text| units(text)).filter(is_tag).map(String::from));
        if fenced {
            closers.push(FENCE.into());
        }
        closers.retain(|closer| !closer.is_empty());
        closers.sort_by_key(|closer| std::cmp::Reverse(closer.len()));
        closers.dedup();
        self.closers = closers;
    }

    /// Where the first of `starts` is, its length, and what it starts.
    fn first_start(&self) -> Option<(usize, usize, Start)> {
        let bytes = self.held.as_bytes();
        (0..bytes.len()).find_map(|at| {
            let here = self.starts.iter().filter(|(text, _)| bytes[at..].starts_with(text.as_bytes()));
            here.max_by_key(|(text, _)| text.len()).map(|(text, start)| (at, text.len(), *start))
        })
    }

    /// The length of the longest end of `held` that may begin one of `starts`, in bytes.
    fn may_begin(&self) -> usize {
        let overlap = |text: &str| {
            let longest = self.held.len().min(text.len() - 1);
            (1..=longest).rev().find(|&length| self.held.as_bytes().ends_with(&text.as_bytes()[..length])).unwrap_or(0)
        };
        self.starts.iter().map(|(text, _)| overlap(text)).max().unwrap_or(0)
    }

    /// The first `length` bytes are content; white space at their end waits for what follows.
    fn content(&mut self, length: usize, out: &mut Vec<Delta>) {
        let text = self.drain(length);
        let start = if self.trims { text.trim_start() } else { &text };
        let shown = start.trim_end();
        if shown.is_empty() {
            self.space += start;
            return;
        }
        let mut space = std::mem::take(&mut self.space);
        if self.calls > 0 && !self.started {
            space.clear();
        }
        let text = space + shown;
        self.space = start[shown.len()..].to_string();
        (self.started, self.blank, self.trims, self.fenced) = (true, false, false, false);
        self.closers.clear();
        push(out, Delta::Content(text));
    }

    /// Reads it again when there is clearly more: a long call is not read for each of its tokens.
    fn wait_for_more(&mut self) {
        self.wait = self.held.len() + 1 + self.held.len() / 32;
    }

    /// A call where `held` starts; what is none goes out as content up to the next place to look at.
    fn try_call(&mut self, end: bool, out: &mut Vec<Delta>) -> bool {
        let mut cursor = Cursor::new(&self.held);
        cursor.exact = self.held_to.get() == Held::Calls;
        let fenced = self.held.starts_with(FENCE);
        let (mut outcome, mut begun, mut marked) = (Err(Stop::Fail), None, false);
        if fenced {
            // The language, up to the end of its line.
            cursor.at = FENCE.len();
            let rest = cursor.rest();
            cursor.at += rest.find(|c: char| !c.is_alphanumeric() && !"_-".contains(c)).unwrap_or(rest.len());
        }
        for (index, form) in self.forms.iter().enumerate() {
            let mut ahead = cursor;
            let found = call::call(form, &mut ahead, &self.tools, self.blank || fenced);
            begun = begun.or(ahead.begun.filter(|begun| found == Err(Stop::More) && (index == 0 || begun.sure)));
            outcome = found.map(|found| (found, ahead.at, index));
            match outcome {
                Err(Stop::Fail) => {}
                Err(Stop::More) if end => {
                    marked |= ahead.marked;
                    outcome = Err(Stop::Fail);
                }
                _ => break,
            }
        }
        let fits = |found: &Found| self.checks.fits(self.tools.schema(&found.name), &found.arguments);
        if !cursor.exact && outcome.as_ref().is_ok_and(|(found, ..)| !fits(found)) {
            outcome = Err(Stop::Fail);
        }
        match outcome {
            Ok((found, length, form)) => {
                let rest = self.early.take().map(|early| self.rest_of(&early, &found.arguments));
                self.drain(length);
                self.fenced |= fenced;
                self.set_closers(form, self.fenced);
                let index = self.calls;
                push(
                    out,
                    match rest {
                        None => Delta::Call { index, id: found.id, name: Some(found.name), arguments: found.arguments },
                        Some(arguments) => Delta::Call { index, id: None, name: None, arguments },
                    },
                );
                self.calls += 1;
                self.spaced = !self.space.is_empty();
                (self.blank, self.trims) = (true, false);
            }
            _ if begun.is_some_and(|begun| self.tell_early(begun, end, out)) => return false,
            Err(Stop::More) => {
                self.wait_for_more();
                return false;
            }
            // The start of a call that a limit cut says nothing.
            Err(Stop::Fail) if self.breaks_off(end) || (self.cut && marked) => {
                self.held.clear();
                return false;
            }
            Err(Stop::Fail) if self.early.is_some() => {
                // It was a call that broke off; what follows is none of it.
                let Early { at, told } = self.early.take().unwrap_or(Early { at: 0, told: 0 });
                self.drain(at + told);
                self.calls += 1;
                self.broken = true;
            }
            Err(Stop::Fail) => {
                self.tries += u32::from(end);
                let length = self.held.chars().next().map_or(0, char::len_utf8);
                self.content(if self.tries > MAX_TRIES { self.held.len() } else { length }, out);
            }
        }
        true
    }
}

/// Adds a piece; content that follows content is one.
fn push(out: &mut Vec<Delta>, delta: Delta) {
    match (out.last_mut(), &delta) {
        (Some(Delta::Content(text)), Delta::Content(more)) | (Some(Delta::Reasoning(text)), Delta::Reasoning(more)) => {
            *text += more;
        }
        _ => out.push(delta),
    }
}
