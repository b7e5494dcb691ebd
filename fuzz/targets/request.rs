//! Requests of chats and completions as pages write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::chat::request::{ChatRequest, CompletionRequest};

fuzz_target!(|text: &str| {
    let _ = serde_json::from_str::<ChatRequest>(text);
    let _ = serde_json::from_str::<CompletionRequest>(text);
});
