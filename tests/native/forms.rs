//! Forms of tool calls and reasoning, on the templates that llama.cpp carries: `node tools/fetch-templates.mjs` fetches them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sotto::chat::forms::Form;
use sotto::chat::parse::{Delta, Parser};
use sotto::chat::reasoning::ReasoningForm;
use sotto::text::template::{ChatTemplate, RenderOptions};

/// The real templates and their names, in order; none where they were not fetched, which is said.
pub fn templates() -> Option<Vec<(String, ChatTemplate)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/llama.cpp-templates");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("Not tested: there is no {}; `node tools/fetch-templates.mjs` fetches it.", folder.display());
        return None;
    };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let source = std::fs::read_to_string(&path).expect("a text");
        (
            path.file_stem().expect("a name").to_string_lossy().into_owned(),
            ChatTemplate::new(&source).expect("a template"),
        )
    };
    Some(paths.into_iter().map(read).collect())
}

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
        // Those of a call that was cut are no JSON.
        call.1 = serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into());
    }
    reply
}

/// The text in pieces of one character.
pub fn chars(text: &str) -> Vec<&str> {
    text.char_indices().map(|(at, char)| &text[at..at + char.len_utf8()]).collect()
}

pub fn tools() -> Value {
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
pub fn cases() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
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

    /// What the model would have written: what its template writes of the reply, after the prompt; and that prompt, as far
    /// as the two agree or it starts the thought.
    fn reply(&self, reply: Value) -> Option<(String, String)> {
        let question = json!({"role": "user", "content": QUESTION});
        let tools = tools();
        let render = |messages: &[Value], prompt| {
            let messages = self.form.messages(messages, tools.as_array()?);
            self.template.render(&messages.into(), &self.options(prompt)).ok()
        };
        let (prompt, whole) = (render(std::slice::from_ref(&question), true)?, render(&[question, reply], false)?);
        let same = prompt.char_indices().zip(whole.chars()).find(|((_, a), b)| a != b);
        let mut shared = same.map_or(prompt.len().min(whole.len()), |((at, _), _)| at);
        // Where the prompt ends otherwise than in a conversation, it differs at a tag.
        if let Some(tag) = prompt[..shared].rfind('<').filter(|tag| !prompt[*tag..shared].contains('>')) {
            shared = tag;
        }
        let text = whole[shared..].to_string();
        let opened = self.reasoning.opened_by(&prompt) && text.contains(&self.reasoning.close);
        Some((if opened { prompt } else { prompt[..shared].to_string() }, text))
    }

    fn calls(&self, calls: &[(&str, Value)], as_text: bool) -> Option<(String, String)> {
        let call = |(index, (name, arguments)): (usize, &(&str, Value))| {
            let id =
                if self.form.id_of_name { format!("functions.{name}:{index}") } else { format!("abcdef00{index}") };
            let arguments = if as_text { arguments.to_string().into() } else { arguments.clone() };
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        };
        let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
        self.reply(json!({"role": "assistant", "content": "", "tool_calls": calls}))
    }

    fn parser(&self, prompt: &str) -> Parser {
        Parser::new(&self.form, &self.reasoning, tools().as_array().unwrap(), prompt)
    }

    /// Complaints, and how many cases are right.
    fn check_calls(&self) -> (Vec<String>, usize) {
        let (mut wrong, mut right) = (Vec::new(), 0);
        for (case, calls) in cases().into_iter().filter(|(_, calls)| self.form.several || calls.len() == 1) {
            let Some((prompt, text)) = self.calls(&calls, false).or_else(|| self.calls(&calls, true)) else {
                wrong.push(format!("{case}: not rendered"));
                continue;
            };
            let want: Vec<(String, Value)> =
                calls.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            let whole = parse(self.parser(&prompt), &[text.as_str()]);
            let single = parse(self.parser(&prompt), &chars(&text));
            if whole != single {
                wrong.push(format!("{case}: {whole:?} but by characters {single:?}"));
            } else if whole.calls != want {
                wrong.push(format!("{case}: {text:?} gives {whole:?}"));
            } else {
                right += 1;
            }
        }
        (wrong, right)
    }

    /// A thought, then a reply: `None` where the template writes no thoughts.
    fn check_thought(&self) -> Option<Result<(), String>> {
        let (thought, content) = ("I look\nit up.", "It is fine.");
        let mut reply = json!({"role": "assistant", "content": content});
        for field in ["reasoning_content", "reasoning", "thinking"] {
            reply[field] = thought.into();
        }
        let (prompt, text) = self.reply(reply).filter(|(_, text)| text.contains(thought))?;
        let whole = parse(self.parser(&prompt), &[text.as_str()]);
        let single = parse(self.parser(&prompt), &chars(&text));
        // The end of the turn is no part of a reply, but of this text.
        let is_right = whole == single && whole.reasoning == thought && whole.content.starts_with(content);
        Some(if is_right { Ok(()) } else { Err(format!("{text:?} gives {whole:?}, by characters {single:?}")) })
    }
}

#[test]
fn calls_and_thoughts_of_real_templates_come_back() {
    let Some(all) = templates() else { return };
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut templates, mut right, mut thoughts) = (0, 0, 0);
    for (name, template) in all {
        let (form, reasoning) = (Form::of(&template, &Map::new()), ReasoningForm::of(&template, &Map::new()));
        let rendered = Rendered { template: &template, form, reasoning };
        let (mut complaints, count) = rendered.check_calls();
        match rendered.check_thought() {
            Some(Ok(())) => thoughts += 1,
            Some(Err(complaint)) => complaints.push(complaint),
            None => {}
        }
        (templates, right) = (templates + 1, right + count);
        if !complaints.is_empty() {
            wrong.insert(name, complaints);
        }
    }
    eprintln!("{templates} templates: {right} replies with calls and {thoughts} with a thought came back");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
