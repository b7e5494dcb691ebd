//! Errors as OpenAI's API tells them.

use serde::Serialize;
use serde_json::{Value, json};

use super::request::{ChatRequest, CompletionRequest};
use crate::base::error::{Code, Error};

/// What OpenAI's API calls a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// As an HTTP status.
    pub status: u16,
    /// Its `type`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its `code`.
    pub code: &'static str,
}

/// Those that say more than "the server failed".
const SHAPES: &[(Code, u16, &str, &str)] = &[
    (Code::BadOption, 400, "invalid_request_error", "invalid_value"),
    (Code::PromptTooLong, 400, "invalid_request_error", "context_length_exceeded"),
    (Code::NoTemplate, 400, "invalid_request_error", "no_template"),
    (Code::BadTemplate, 400, "invalid_request_error", "bad_template"),
    (Code::Aborted, 499, "aborted", "aborted"),
    (Code::Disposed, 503, "server_error", "disposed"),
    (Code::DeviceLost, 503, "server_error", "device_lost"),
    (Code::OutOfMemory, 503, "server_error", "out_of_memory"),
];

/// By the code of the failure.
pub fn shape(code: Code) -> Shape {
    let known = SHAPES.iter().find(|(named, ..)| *named == code);
    let (status, kind, code) =
        known.map_or((500, "server_error", code.as_str()), |&(_, status, kind, code)| (status, kind, code));
    Shape { status, kind, code }
}

/// How sentences about a member begin, where it is not with its name; `www/api/openai-error.ts` reads them alike. `#` stands
/// for a number, which the member has too.
const ABOUT: &[(&str, &str)] = &[
    ("Message # has no role", "messages[#].role"),
    ("Message # has ", "messages[#].content"),
    ("Message # ", "messages[#]"),
    ("Messages ", "messages"),
    ("The content of message # ", "messages[#].content"),
    ("The tool_calls of message # ", "messages[#].tool_calls"),
    ("A call's arguments in message # ", "messages[#].tool_calls"),
    ("The model's chat template does not render message # ", "messages[#]"),
    ("In the parameters of the tool ", "tools"),
    ("The tool ", "tools"),
    ("The tools ", "tools"),
    ("The calls of these tools ", "tools"),
    ("The schema", "response_format"),
    ("The grammar", "response_format"),
    ("In the grammar", "response_format"),
    ("The regular expression", "response_format"),
    ("A logit bias", "logit_bias"),
    ("The logit bias", "logit_bias"),
    ("Stop token ", "stop_token_ids"),
];

/// The member of the request that a failure is about, where its sentence tells.
fn param(Error { code, message }: &Error, request: &Value) -> Option<String> {
    let about = || ABOUT.iter().find_map(|(begins, member)| begun(message, begins, member));
    match code {
        Code::PromptTooLong => return Some("messages".into()),
        Code::BadTemplate => return about().or_else(|| Some("messages".into())),
        Code::BadOption => {}
        _ => return None,
    }
    let is_of = |tool: &Value| {
        let name = tool["function"]["name"].as_str();
        name.is_some_and(|name| message.starts_with(&format!("In the parameters of the tool \"{name}\":")))
    };
    if let Some(at) = request["tools"].as_array().and_then(|tools| tools.iter().position(is_of)) {
        return Some(format!("tools[{at}].function.parameters"));
    }
    let (first, rest) = message.split_once(' ').unwrap_or((message, ""));
    let member = |path: &str| members().iter().any(|known| path.split(['.', '[']).next() == Some(known.as_str()));
    let word = |text: &str| text.split([' ', ';']).next().unwrap_or_default().trim_end_matches('.').to_string();
    if let Some(call) = rest.strip_prefix("is not an option of ").map(word) {
        return Some(if member(&call) { format!("{call}.{first}") } else { first.into() });
    }
    about().or_else(|| {
        let path = first.trim_end_matches(['.', ',', ';', ':']);
        let lacks = rest.strip_prefix("has no ").map(word);
        member(path).then(|| [Some(path.to_string()), lacks].into_iter().flatten().collect::<Vec<_>>().join("."))
    })
}

/// The member, if the text begins so.
fn begun(text: &str, begins: &str, member: &str) -> Option<String> {
    let (head, tail) = begins.split_once('#').unwrap_or((begins, ""));
    let rest = text.strip_prefix(head)?;
    let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    let number = if begins.contains('#') { &rest[..digits] } else { "" };
    (rest[number.len()..].starts_with(tail) && number.is_empty() != begins.contains('#'))
        .then(|| member.replace('#', number))
}

/// Names of what requests hold.
fn members() -> Vec<String> {
    let schemas = [schemars::schema_for!(ChatRequest), schemars::schema_for!(CompletionRequest)];
    let named = schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
    named.flat_map(|properties| properties.keys().cloned()).collect()
}

/// The body of an error response to a request.
pub fn body(error: &Error, request: &Value) -> Value {
    let Shape { kind, code, .. } = shape(error.code);
    let is_unknown = error.code == Code::BadOption && error.message.contains(" is not an option of ");
    let code = if is_unknown { "unknown_parameter" } else { code };
    json!({ "error": { "message": error.message, "type": kind, "param": param(error, request), "code": code } })
}
