//! Errors as OpenAI's API tells them.

use serde::Serialize;
use serde_json::{Value, json};

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

/// The body of an error response.
pub fn body(error: &Error) -> Value {
    let Shape { kind, code, .. } = shape(error.code);
    json!({ "error": { "message": error.message, "type": kind, "param": null, "code": code } })
}
