//! Forms of tool calls and reasoning, on the templates that llama.cpp carries: `node tools/fetch-templates.mjs` fetches them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sotto::chat::forms::Form;
use sotto::chat::parse::{Delta, Parser};
use sotto::chat::reasoning::ReasoningForm;
use sotto::text::template::{ChatTemplate, RenderOptions};

/// A reply put together again.
#[derive(Debug, Default, PartialEq)]
pub struct Reply {
    pub content: String,
    pub reasoning: String,
    pub calls: Vec<(String, Value)>,
    pub ids: Vec<Option<String>>,
}

pub fn parse(mut parser: Parser, pieces: &[&str]) -> Reply {
    let mut reply = Reply::default();
    let mut texts: Vec<String> = Vec::new();
    let mut take = |deltas: Vec<Delta>| {
        for delta in deltas {
            match delta {
                Delta::Content(text) => reply.content += &text,
                Delta::Reasoning(text) => reply.reasoning += &text,
                Delta::Call { index, id, name, arguments } => {
                    if let Some(name) = name {
                        assert_eq!(index, texts.len(), "calls are numbered in order");
                        reply.calls.push((name, Value::Null));
                        reply.ids.push(id);
                        texts.push(String::new());
                    }
                    texts[index] += &arguments;
                }
            }
        }
    };
    for piece in pieces {
        take(parser.push(piece));
    }
    take(parser.finish());
    for (call, text) in reply.calls.iter_mut().zip(&texts) {
        call.1 = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    reply
}

/// The text in pieces of one character.
pub fn chars(text: &str) -> Vec<&str> {
    text.char_indices().map(|(at, char)| &text[at..at + char.len_utf8()]).collect()
}

fn tools() -> Value {
    let properties = json!({
        "city": {"type": "string", "description": "A city"},
        "days": {"type": "integer", "description": "A count"},
        "exact": {"type": "boolean", "description": "A choice"},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "A list"},
    });
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": "A tool",
            "parameters": {"type": "object", "properties": properties, "required": ["city"]}}})
    };
    json!([tool("get_weather"), tool("get_weather_map")])
}

/// Calls whose arguments no form may confuse.
fn cases() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    vec![
        ("one", vec![("get_weather", json!({"city": "Paris"}))]),
        ("numbers", vec![("get_weather_map", json!({"city": "41", "days": 3, "exact": true}))]),
        ("quotes", vec![("get_weather", json!({"city": "L'Haÿ \"les\" {Roses}, [x] \\ end"}))]),
        ("lines", vec![("get_weather", json!({"city": "a\n  b\n\nc"}))]),
        ("list", vec![("get_weather", json!({"city": "Rome", "tags": ["a", "b c"]}))]),
        (
            "two",
            vec![("get_weather", json!({"city": "Oslo"})), ("get_weather_map", json!({"city": "Bern", "days": 2}))],
        ),
    ]
}

const QUESTION: &str = "What will it be like?";

struct Rendered<'a> {
    template: &'a ChatTemplate,
    form: Form,
    reasoning: ReasoningForm,
}

impl Rendered<'_> {
    fn options(&self, add_generation_prompt: bool) -> RenderOptions {
        let extra = Map::from_iter([
            ("functions".to_string(), tools().to_string().into()),
            ("datetime".to_string(), "today".into()),
            ("bos_token".to_string(), "".into()),
            ("eos_token".to_string(), "".into()),
        ]);
        RenderOptions { add_generation_prompt, tools: Some(tools()), now: Some(0), extra }
    }

    /// What the model would have written: what its template writes of the reply, after the prompt.
    fn reply(&self, content: &str, calls: &[(&str, Value)], as_text: bool) -> Option<(String, String)> {
        let call = |(index, (name, arguments)): (usize, &(&str, Value))| {
            let id =
                if self.form.id_of_name { format!("functions.{name}:{index}") } else { format!("abcdef00{index}") };
            let arguments = if as_text { arguments.to_string().into() } else { arguments.clone() };
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        };
        let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
        let question = json!({"role": "user", "content": QUESTION});
        let mut reply = json!({"role": "assistant", "content": content});
        if !calls.is_empty() {
            reply["tool_calls"] = calls.into();
        }
        let messages = json!([question, reply]);
        let messages = self.form.messages(messages.as_array()?, tools().as_array()?);
        let prompt = self.form.messages(&[question], tools().as_array()?);
        let render = |messages: Vec<Value>, prompt| self.template.render(&messages.into(), &self.options(prompt)).ok();
        let (prompt, whole) = (render(prompt, true)?, render(messages, false)?);
        // Where the prompt ends otherwise than in a conversation (open reasoning), the reply starts behind the question.
        let shared =
            prompt.char_indices().zip(whole.chars()).find(|((_, a), b)| a != b).map_or(prompt.len(), |((at, _), _)| at);
        let shared = if whole.starts_with(&prompt) {
            prompt.len()
        } else {
            // Not within a tag.
            let tag = prompt[..shared].rfind('<').unwrap_or(0);
            if prompt[tag..shared].contains('>') { shared } else { tag }
        };
        Some((prompt.clone(), whole[shared.min(whole.len())..].to_string()))
    }
}

#[test]
fn calls_of_llama_cpps_templates_come_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/llama.cpp-templates");
    let folder = std::env::var_os("SOTTO_TEMPLATES").map_or(folder, Into::into);
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!(
            "Not tested: there are no templates in {}; `node tools/fetch-templates.mjs` fetches them.",
            folder.display()
        );
        return;
    };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut right = 0;
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "jinja")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let template = match ChatTemplate::new(&std::fs::read_to_string(path).unwrap()) {
            Ok(template) => template,
            Err(error) => {
                wrong.entry(name).or_default().push(error.message);
                continue;
            }
        };
        let variables = Map::new();
        let (form, reasoning) = (Form::of(&template, &variables), ReasoningForm::of(&template, &variables));
        let rendered = Rendered { template: &template, form, reasoning };
        for (case, calls) in cases() {
            if calls.len() > 1 && !rendered.form.several {
                continue;
            }
            let Some((prompt, text)) = rendered.reply("", &calls, false).or_else(|| rendered.reply("", &calls, true))
            else {
                wrong.entry(name.clone()).or_default().push(format!("{case}: not rendered"));
                continue;
            };
            // A conversation may have no thought where the prompt starts one.
            let (form, reasoning) = (&rendered.form, &rendered.reasoning);
            let skips = reasoning.opened_by(&prompt) && !text.contains(&reasoning.close);
            let prompt = if skips { "" } else { &prompt };
            let parser = || Parser::new(form, reasoning, tools().as_array().unwrap(), prompt);
            let want: Vec<(String, Value)> =
                calls.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            let whole = parse(parser(), &[text.as_str()]);
            let single = parse(parser(), &chars(&text));
            if whole != single {
                wrong.entry(name.clone()).or_default().push(format!("{case}: {whole:?} but by characters {single:?}"));
            } else if whole.calls != want {
                wrong.entry(name.clone()).or_default().push(format!("{case}: {text:?} gives {whole:?}"));
            } else {
                right += 1;
            }
        }
    }
    for (name, complaints) in &wrong {
        eprintln!("{name}\n    {}", complaints.join("\n    "));
    }
    eprintln!("{right} right");
    assert!(wrong.is_empty(), "{} templates", wrong.len());
}
