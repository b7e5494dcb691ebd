//! The forms that templates do not show, or that their models write otherwise: found by a word of the template's source.

use serde_json::{Map, Value as Json};

use super::{Call, Form, Keys, Origin, Part, derive};
use crate::text::template::ChatTemplate;

/// A word of a template's source, and (open, before, call, after, between, close) of its model's calls.
type Row = (&'static str, Make, [&'static str; 5]);
type Make = fn() -> Call;

const ROWS: [Row; 8] = [
    // gpt-oss. The recipient stands before or behind the channel.
    ("<|channel|>commentary", harmony, ["", "to=functions.", "<|call|>", "", ""]),
    // Functionary 3.2.
    (">>>${recipient}", named, ["", ">>>", "", "", ""]),
    // FireFunction 2.
    ("functools[", json, ["functools", "", "", ",", "]"]),
    // Granite 3.
    ("<|tool_call|>", json, ["<|tool_call|>", "", "", ",", "]"]),
    // Kimi K2.
    (
        "<|tool_calls_section_begin|>",
        kimi,
        [
            "<|tool_calls_section_begin|>",
            "<|tool_call_begin|>functions.",
            "<|tool_call_end|>",
            "",
            "<|tool_calls_section_end|>",
        ],
    ),
    // LFM2.
    ("<|tool_list_start|>", python, ["<|tool_call_start|>[", "", "", ",", "]<|tool_call_end|>"]),
    ("List of tools:", python, ["<|tool_call_start|>[", "", "", ",", "]<|tool_call_end|>"]),
    // Hermes, Qwen, SmolLM3 and many more.
    ("<tool_call>", json, ["", "<tool_call>", "</tool_call>", "", ""]),
];

fn json() -> Call {
    Call::default()
}

fn named() -> Call {
    Call::Text(vec![Part::Name, Part::Json])
}

fn harmony() -> Call {
    // How arguments are written, and the channel where the recipient stands before it.
    let between =
        [" <|constrain|>json", "<|channel|>commentary <|constrain|>json", " json", "<|channel|>commentary json"];
    let between = between.into_iter().chain(["<|channel|>commentary"]).map(String::from).collect();
    Call::Text(vec![Part::Name, Part::Maybe(between), Part::Text("<|message|>".into()), Part::Json])
}

fn kimi() -> Call {
    let argument = Part::Text("<|tool_call_argument_begin|>".into());
    Call::Text(vec![Part::Name, Part::Text(":".into()), Part::Index, argument, Part::Json])
}

fn python() -> Call {
    Call::Text(vec![Part::Name, Part::Text("(".into()), Part::Literal { sep: '=' }, Part::Text(")".into())])
}

/// The form of a template that shows none by itself.
pub fn form(template: &ChatTemplate, variables: &Map<String, Json>) -> Option<Form> {
    let source = template.source();
    let (word, call, texts) = ROWS.iter().find(|(word, ..)| source.contains(word))?;
    let derive::Abilities { lists_tools, takes_system } = derive::abilities(template, variables);
    // Of gpt-oss a call ends the turn.
    let several = *word != ROWS[0].0;
    Some(Form { call: call(), origin: Origin::Table, several, lists_tools, takes_system, ..form_of(*texts) })
}

/// The models that write otherwise than their template renders.
pub fn instead(template: &ChatTemplate) -> bool {
    template.source().contains(ROWS[0].0)
}

fn form_of([open, before, after, between, close]: [&str; 5]) -> Form {
    let [open, before, after, between, close] = [open, before, after, between, close].map(String::from);
    Form { open, before, after, between, close, ..Form::default() }
}

/// What small models write instead of their own form, taken where it names a given tool.
pub fn common() -> Vec<Form> {
    let rows: [(Make, [&str; 5]); 7] = [
        (json, ["", "<tool_call>", "</tool_call>", "", ""]),
        (json, ["", "<tools>", "</tools>", "", ""]),
        (json, ["", "<function_call>", "</function_call>", "", ""]),
        (json, ["", "<|python_tag|>", "", ";", ""]),
        (json, ["", "[TOOL_CALLS]", "", ",", "]"]),
        (named, ["", "<function=", "</function>", "", ""]),
        (json, ["", "", "", ",", "]"]),
    ];
    rows.into_iter().map(|(call, texts)| Form { call: call(), several: true, ..form_of(texts) }).collect()
}

/// Other names of a JSON call's keys.
pub const NAME_KEYS: [&str; 3] = ["name", "tool_name", "function"];
/// Keys under which models write arguments.
pub const ARGUMENT_KEYS: [&str; 4] = ["arguments", "parameters", "args", "input"];
/// Keys that models write beside name and arguments.
pub const OTHER_KEYS: [&str; 6] = ["id", "tool_call_id", "call_id", "type", "index", "description"];

impl Keys {
    pub(in crate::chat) fn is_name(&self, key: &str) -> bool {
        key == self.name || NAME_KEYS.contains(&key)
    }

    pub(in crate::chat) fn is_arguments(&self, key: &str) -> bool {
        key == self.arguments || ARGUMENT_KEYS.contains(&key)
    }

    pub(in crate::chat) fn is_id(&self, key: &str) -> bool {
        self.id.as_deref() == Some(key) || OTHER_KEYS[..3].contains(&key)
    }
}
