//! Chat templates, rendered with a chat that has all that a message may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use sotto::text::template::{ChatTemplate, RenderOptions};

fuzz_target!(|source: &str| {
    let Ok(template) = ChatTemplate::new(source) else { return };
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": [1, 2.5, null]}}});
    let messages = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": null, "reasoning_content": "r", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "t"},
    ]);
    let _ =
        template.render(&messages, &RenderOptions { add_generation_prompt: true, now: Some(0), ..Default::default() });
});
