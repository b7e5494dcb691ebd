//! Tools for models whose template knows none: a system text says how to call them.

use serde_json::{Value as Json, json};

use super::write::Written;
use super::{Call, Form};

/// The role whose text tells results, where a template has no role for tools.
const RESULT: [&str; 2] = ["<tool_response>\n", "\n</tool_response>"];

impl Form {
    /// Sotto's own: JSON in `<tool_call>` tags, which most models have seen.
    pub fn generic() -> Form {
        Form {
            before: "<tool_call>\n".into(),
            call: Call::default(),
            after: "\n</tool_call>".into(),
            several: true,
            ..Form::default()
        }
    }

    /// Messages for a template that lacks something: where it does not show tools, a system text does; where it does not
    /// write calls, they become text of the assistant's, and results the user's. Tools that the template shows itself are
    /// not repeated. `messages` and `tools` in OpenAI's form.
    pub fn messages(&self, messages: &[Json], tools: &[Json]) -> Vec<Json> {
        let mut messages = messages.to_vec();
        if !self.writes_calls {
            messages.iter_mut().for_each(|message| self.flatten(message));
        }
        if !self.lists_tools && !tools.is_empty() {
            let text = self.explained(tools);
            let role = if self.takes_system { "system" } else { "user" };
            match messages.first_mut().filter(|first| first["role"] == role && first["content"].is_string()) {
                Some(first) => {
                    let own = first["content"].as_str().unwrap_or_default();
                    let [a, b] = if self.takes_system { [own, &text] } else { [&text, own] };
                    first["content"] = format!("{a}\n\n{b}").into();
                }
                None => messages.insert(0, json!({"role": role, "content": text})),
            }
        }
        messages
    }

    fn explained(&self, tools: &[Json]) -> String {
        let list: Vec<String> = tools.iter().map(|tool| tool.get("function").unwrap_or(tool).to_string()).collect();
        let example = serde_json::Map::from_iter([("argument".to_string(), "value".into())]);
        let example = self.write(&[Written { name: "name_of_tool".into(), arguments: example, id: None }]);
        format!(
            "You can call these tools, each given with a JSON schema of its parameters:\n{}\n\n\
             To call a tool, write this and nothing after it, with the tool's name and its arguments as JSON:\n{example}\n\
             Call several tools by writing it several times. The results come in the next message. \
             Where no tool helps, reply as usual.",
            list.join("\n")
        )
    }

    fn flatten(&self, message: &mut Json) {
        if message["role"] == "tool" {
            let content = text_of(&message["content"]);
            *message = json!({"role": "user", "content": format!("{}{content}{}", RESULT[0], RESULT[1])});
            return;
        }
        let Some(object) = message.as_object_mut() else { return };
        let Some(calls) = object.remove("tool_calls").filter(Json::is_array) else { return };
        let calls: Vec<Written> = calls.as_array().into_iter().flatten().map(written).collect();
        if calls.is_empty() {
            return;
        }
        let content = object.get("content").map(text_of).unwrap_or_default();
        let text = [content.as_str(), &self.write(&calls)].join(if content.is_empty() { "" } else { "\n" });
        object.insert("content".into(), text.into());
    }
}

/// A content's text, whose parts may be apart.
fn text_of(content: &Json) -> String {
    let text = |part: &Json| part.as_str().or_else(|| part["text"].as_str()).map(String::from);
    match content {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(parts) => parts
            .iter()
            .map(text)
            .collect::<Option<Vec<_>>>()
            .map_or_else(|| content.to_string(), |texts| texts.concat()),
        other => other.to_string(),
    }
}

fn written(call: &Json) -> Written {
    let function = call.get("function").unwrap_or(call);
    let arguments = match &function["arguments"] {
        Json::String(text) => serde_json::from_str(text).unwrap_or_default(),
        Json::Object(map) => map.clone(),
        _ => serde_json::Map::new(),
    };
    Written {
        id: call["id"].as_str().map(String::from),
        name: function["name"].as_str().unwrap_or_default().to_string(),
        arguments,
    }
}
