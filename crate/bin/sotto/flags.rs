//! Flags that are not written down here: those of a call's options, from their schema.

use std::sync::OnceLock;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sotto::base::error::{Code, Error, Result};
use sotto::wire::check::checked;
use sotto::wire::schema::options_of;

/// The options of a call as flags. `topK` is `--top-k`. What is on by default is turned off by `--no-…`, what is off is
/// turned on by its name, and what is neither takes `on` or `off` (or `true` or `false`). A list of numbers has commas; one of texts repeats its
/// flag; an object is JSON.
pub struct Flags<T> {
    given: Value,
    options: std::marker::PhantomData<T>,
}

impl<T: JsonSchema + DeserializeOwned> Flags<T> {
    /// The options of `call` as they were given. `BadOption` names the flag.
    pub fn read(self, call: &str) -> Result<T> {
        let given = checked(call, &options_of::<T>(), self.given, |name| format!("--{}", kebab(name)))?;
        serde_json::from_value(given)
            .map_err(|e| Error::new(Code::BadOption, format!("The options of {call} are not understood ({e}).")))
    }
}

/// How an option is written on the command line.
enum Form {
    /// A boolean by the flag's presence: the value that it then has.
    Switch(bool),
    OnOff,
    Numbers,
    Texts,
    Json,
    One,
}

impl Form {
    fn of(schema: &Value) -> Form {
        let choices = schema.get("anyOf").and_then(Value::as_array);
        let list = match choices {
            Some(choices) => choices.iter().find(|choice| choice["type"] == "array"),
            None => Some(schema).filter(|schema| schema["type"] == "array"),
        };
        match (list.map(|list| &list["items"]["type"]), &schema["type"], &schema["default"]) {
            (Some(items), ..) if items == "string" => Form::Texts,
            (Some(items), ..) if items == "integer" => Form::Numbers,
            (Some(_), ..) => Form::Json,
            (_, kind, Value::Bool(default)) if kind == "boolean" => Form::Switch(!default),
            (_, kind, _) if kind == "boolean" => Form::OnOff,
            (_, kind, _) if kind == "object" => Form::Json,
            _ => Form::One,
        }
    }

    /// The option's value, from the texts that were given. What cannot be read stays text, which the check then names.
    fn read(&self, schema: &Value, texts: Vec<String>) -> Value {
        let number = |text: &str| serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or(text.into());
        let one = texts.first().map(String::as_str).unwrap_or_default();
        match self {
            Form::Switch(value) => (*value).into(),
            Form::OnOff => match one {
                "on" | "true" => true.into(),
                "off" | "false" => false.into(),
                other => other.into(),
            },
            Form::Numbers => one.split(',').map(number).collect(),
            Form::Texts => texts.into(),
            Form::Json => serde_json::from_str(one).unwrap_or(one.into()),
            Form::One if has_numbers(schema) => number(one),
            Form::One => one.into(),
        }
    }
}

/// Whether it may be a number, alone or among others.
fn has_numbers(schema: &Value) -> bool {
    let is_number = |schema: &Value| matches!(schema["type"].as_str(), Some("integer" | "number"));
    is_number(schema) || schema["anyOf"].as_array().is_some_and(|choices| choices.iter().any(is_number))
}

fn members<T: JsonSchema>() -> Map<String, Value> {
    match options_of::<T>()["properties"].take() {
        // Those that are no flags have another one in their place.
        Value::Object(members) => members.into_iter().filter(|(_, schema)| schema["flag"] != false).collect(),
        _ => Map::new(),
    }
}

fn flag(name: &str, schema: &Value) -> Arg {
    let form = Form::of(schema);
    let long = match form {
        Form::Switch(false) => format!("no-{}", kebab(name)),
        _ => kebab(name),
    };
    let action = match form {
        Form::Switch(_) => ArgAction::SetTrue,
        Form::Texts => ArgAction::Append,
        _ => ArgAction::Set,
    };
    let mut help = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    if let (Form::Switch(false), Some(does)) = (&form, help.strip_prefix("`false` ")) {
        // The flag stands for `false`.
        help = does[..1].to_uppercase() + &does[1..];
    }
    match &schema["default"] {
        Value::String(default) => help += &format!(" [default: {default}]"),
        default @ Value::Number(_) => help += &format!(" [default: {default}]"),
        _ => {}
    }
    let takes_value = action.takes_values();
    Arg::new(name.to_string()).long(long).action(action).allow_hyphen_values(takes_value).help(help)
}

impl<T: JsonSchema> Args for Flags<T> {
    fn augment_args(command: Command) -> Command {
        command.args(members::<T>().iter().map(|(name, schema)| flag(name, schema)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: JsonSchema> FromArgMatches for Flags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = members::<T>().into_iter().filter_map(|(name, schema)| {
            let form = Form::of(&schema);
            let texts = match form {
                Form::Switch(_) => matches.get_flag(&name).then(Vec::new)?,
                _ => matches.get_many::<String>(&name)?.cloned().collect(),
            };
            let value = form.read(&schema, texts);
            Some((name, value))
        });
        Ok(Flags { given: given.collect(), options: std::marker::PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What options are called in the engine's messages, and what their flags are: of the command that runs.
static NAMES: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// What a page is advised, and a command (`tools/cli/flags.mjs` has the same).
const ADVICE: [(&str, &str); 4] = [
    ("backend \"auto\"", "--backend auto"),
    ("backend \"cpu\"", "--backend cpu"),
    ("backend \"webgpu\"", "--backend webgpu"),
    ("give truncate,", "give --truncate,"),
];

/// Keeps the names of the flags of the command that runs.
pub fn learn(command: Option<&Command>) {
    let named = command.into_iter().flat_map(Command::get_arguments);
    let names = named.filter_map(|arg| Some((arg.get_id().to_string(), format!("--{}", arg.get_long()?))));
    NAMES.get_or_init(|| names.collect());
}

/// A message of the engine, with flags in place of the names of options.
pub fn in_flags(message: &str) -> String {
    let names = NAMES.get().map_or(&[][..], Vec::as_slice);
    let words: Vec<&str> = message.split(' ').collect();
    let told = words.iter().enumerate().map(|(at, word)| {
        let end = word.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (name, rest) = word.split_at(end);
        // Names of one word are words of sentences, too: one counts where it stands first and is said to be something.
        let is_said = at == 0 && (rest.starts_with('[') || words.get(1) == Some(&"is"));
        let counts = is_said || name.contains(|char: char| char.is_ascii_uppercase());
        match names.iter().find(|(option, _)| counts && option == name) {
            Some((_, flag)) => format!("{flag}{rest}"),
            None => (*word).to_string(),
        }
    });
    let told = told.collect::<Vec<_>>().join(" ");
    ADVICE.iter().fold(told, |told, (words, flag)| told.replace(words, flag))
}

fn kebab(name: &str) -> String {
    name.chars().fold(String::new(), |mut all, char| {
        if char.is_ascii_uppercase() {
            all.push('-');
        }
        all.push(char.to_ascii_lowercase());
        all
    })
}
