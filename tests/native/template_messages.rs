//! Messages in the shapes that people give, as templates want them.

use serde_json::{Value as Json, json};
use sotto::base::error::Code;
use sotto::file::{Metadata, Value};
use sotto::text::template::{ChatTemplate, RenderOptions, Templates, render_chat};
use sotto::text::tokenizer::Tokenizer;

fn render(source: &str, messages: &Json) -> String {
    ChatTemplate::new(source).unwrap().render(messages, &RenderOptions::default()).unwrap()
}

fn user(text: &str) -> Json {
    json!([{"role": "user", "content": text}])
}

/// A call as OpenAI's API writes it.
fn called() -> Json {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"city\": \"Paris\", \"n\": [1, null]}"}});
    json!([
        {"role": "user", "content": "Hi", "name": null},
        {"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ])
}

#[test]
fn calls_that_are_none_are_refused_with_their_message() {
    for calls in [json!("x"), json!([{"id": "1"}]), json!([{"function": {"arguments": "{}"}}]), json!([null])] {
        let messages =
            json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": calls}]);
        let error =
            ChatTemplate::new("x").unwrap().render(&messages, &RenderOptions::default()).expect_err("a refusal");
        assert!(
            error.code == Code::BadOption && error.message.starts_with("The tool_calls of message 1 should"),
            "{error}"
        );
    }
}

#[test]
fn a_refusal_is_what_a_message_says() {
    let source = "{% for m in messages %}{{ m.role + ': ' + m.content }}|{% endfor %}";
    let messages =
        json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "refusal": "I will not."}]);
    assert_eq!(render(source, &messages), "user: Hi|assistant: I will not.|");
    assert_eq!(render("{% for m in messages %}{{ m.content }}{% endfor %}", &messages), "HiI will not.");
}

#[test]
fn arguments_have_the_form_that_the_template_reads() {
    let head = "{% for m in messages %}{% for c in m.tool_calls or [] %}";
    let tail = "{% endfor %}{% endfor %}";
    for (body, want) in [
        ("{{ c.function.arguments|tojson }}", r#"{"city": "Paris", "n": [1, null]}"#),
        ("{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }};{% endfor %}", "city=Paris;n=[1, None];"),
        ("{{ c.function.arguments }}", r#"{"city": "Paris", "n": [1, null]}"#),
        ("{{ 'call ' + c.function.arguments }}", r#"call {"city": "Paris", "n": [1, null]}"#),
        (
            "{% if c.function.arguments is string %}{{ c.function.arguments }}{% else %}{{ c.function.arguments|tojson }}{% endif %}",
            r#"{"city": "Paris", "n": [1, null]}"#,
        ),
    ] {
        assert_eq!(render(&format!("{head}{body}{tail}"), &called()), want, "{body}");
    }
    // Objects stay objects, but for a template that only takes text.
    let mut messages = called();
    messages[1]["tool_calls"][0]["function"]["arguments"] = json!({"a": 1});
    assert_eq!(render(&format!("{head}{{{{ c.function.arguments|tojson }}}}{tail}"), &messages), r#"{"a": 1}"#);
    assert_eq!(render(&format!("{head}{{{{ 'x' + c.function.arguments }}}}{tail}"), &messages), r#"x{"a": 1}"#);
    // What is no JSON stays as it is.
    messages[1]["tool_calls"][0]["function"]["arguments"] = json!("{broken");
    assert_eq!(render(&format!("{head}{{{{ c.function.arguments }}}}{tail}"), &messages), "{broken");
}

#[test]
fn content_beside_calls_is_empty_where_the_template_needs_one() {
    assert_eq!(
        render("{% for m in messages %}{{ m.role + ':' + m.content + ';' }}{% endfor %}", &called()),
        "user:Hi;assistant:;tool:sunny;"
    );
    // Where it does not, it is as missing as it is for Hugging Face; keys that hold null go.
    assert_eq!(
        render(
            "{% for m in messages %}{{ m.content is defined }}{{ 'name' in m }}{{ 'refusal' in m }};{% endfor %}",
            &called()
        ),
        "TrueFalseFalse;FalseFalseFalse;TrueFalseFalse;"
    );
}

#[test]
fn a_message_that_says_nothing_is_named() {
    let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant"}]);
    let template = ChatTemplate::new("{% for m in messages %}{{ m.role + m.content }}{% endfor %}").unwrap();
    let error = template.render(&messages, &RenderOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::BadOption);
    assert!(error.message.starts_with("Message 1 has neither content nor tool calls"), "{error}");
}

#[test]
fn a_refusal_names_the_message() {
    let source = "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('Only user and assistant!') }}{% endif %}{{ m.content }}{% endfor %}";
    let messages =
        json!([{"role": "user", "content": "a"}, {"role": "wizard", "content": "b"}, {"role": "user", "content": "c"}]);
    let error = ChatTemplate::new(source).unwrap().render(&messages, &RenderOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::BadTemplate);
    assert!(
        error.message.contains("message 1 (wizard)") && error.message.contains("Only user and assistant!"),
        "{error}"
    );
}

#[test]
fn reasoning_has_the_names_that_templates_read() {
    let source = "{% for m in messages %}{{ m.reasoning_content }}|{{ m.thinking }};{% endfor %}";
    let one = |key: &str| json!([{"role": "assistant", "content": "x", key: "why"}]);
    for key in ["reasoning_content", "thinking", "reasoning"] {
        assert_eq!(render(source, &one(key)), "why|why;", "{key}");
    }
    let both =
        json!([{"role": "assistant", "content": "x", "reasoning_content": "a", "thinking": "b", "reasoning": null}]);
    assert_eq!(render(source, &both), "a|b;");
    assert_eq!(render(source, &user("x")), "|;");
}

#[test]
fn a_developer_is_the_system_where_the_template_knows_none() {
    let messages = json!([{"role": "developer", "content": "x"}]);
    assert_eq!(render("{{ messages[0].role }}", &messages), "system");
    assert_eq!(
        render("{% if messages[0].role == 'developer' %}{{ messages[0].role }}{% endif %}", &messages),
        "developer"
    );
}

#[test]
fn deep_json_is_refused_and_named() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let template = ChatTemplate::new("{{ messages[0].content }}").unwrap();
    let messages = json!([{"role": "user", "content": "x", "extra": deep}]);
    let error = template.render(&messages, &RenderOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::BadOption);
    assert!(error.message.starts_with("Message 0 is nested"), "{error}");
    let options = RenderOptions { tools: Some(deep), ..RenderOptions::default() };
    assert_eq!(template.render(&user("x"), &options).unwrap_err().code, Code::BadOption);
}

#[test]
fn a_file_may_have_a_template_for_tools() {
    let mut metadata = Metadata::default();
    metadata.insert("tokenizer.chat_template", Value::Str("plain".into()));
    metadata.insert("tokenizer.chat_template.tool_use", Value::Str("with {{ tools|length }}".into()));
    metadata.insert("tokenizer.chat_template.rag", Value::Str("rag".into()));
    let templates = Templates::from_metadata(&metadata).unwrap();
    let with = RenderOptions { tools: Some(json!([{"type": "function"}])), ..RenderOptions::default() };
    let none = RenderOptions::default();
    assert_eq!(render_chat(&templates, None, &user("x"), &none).unwrap(), "plain");
    assert_eq!(render_chat(&templates, None, &user("x"), &with).unwrap(), "with 1");
}

#[test]
fn a_template_sees_the_special_tokens() {
    let tokens = ["<unk>", "<s>", "</s>", "<pad>", "<x>", "a"].map(String::from).to_vec();
    let mut metadata = Metadata::default();
    metadata.insert("tokenizer.ggml.model", Value::Str("llama".into()));
    metadata.insert("tokenizer.ggml.tokens", Value::Strings(tokens));
    metadata.insert("tokenizer.ggml.scores", Value::Floats(vec![0.0; 6]));
    metadata.insert("tokenizer.ggml.token_type", Value::Ints(vec![2, 3, 3, 3, 3, 1]));
    metadata.insert("tokenizer.ggml.padding_token_id", Value::U64(3));
    let source =
        "{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ pad_token }}{{ sep_token }}{{ additional_special_tokens }}";
    metadata.insert("tokenizer.chat_template", Value::Str(source.into()));
    let templates = Templates::from_metadata(&metadata).unwrap();
    let tokenizer = Tokenizer::from_metadata(&mut metadata).unwrap();
    let text = render_chat(&templates, Some(&tokenizer), &user("x"), &RenderOptions::default()).unwrap();
    assert_eq!(text, "<s></s><unk><pad>['<x>']");
}
