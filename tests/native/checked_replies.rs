//! Replies whose calls are checked, and whose thoughts are counted.

use serde_json::json;
use sotto::chat::forms::Form;
use sotto::chat::parse::{Checks, Parser};

use crate::forms::{chars, parse};
use crate::replies::{CODER, HERMES, of, reply, think};

/// What a model writes in a form of its own choice is a call where it fits the tool's schema, and text where it does not.
#[test]
fn a_call_that_does_not_fit_its_schema_is_content() {
    let parameters = json!({"type": "object", "required": ["city"], "additionalProperties": false,
        "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}, "days": {"type": "integer", "minimum": 1}}});
    let tools = [json!({"type": "function", "function": {"name": "map", "parameters": parameters}})];
    let checks = Checks::by(|schema, text| sotto_grammar::Vocabulary::fits(&schema.to_string(), text));
    for form in [HERMES, CODER].map(of) {
        let parser = || Parser::new(&form, &think(), &tools, "").checked(checks.clone());
        for (arguments, fits) in [
            ("{\"city\": \"Bern\", \"days\": 3}", true),
            ("{\"city\": \"Bern\", \"days\": 3.0}", true),
            ("{\"days\": 3}", false),
            ("{\"city\": \"bern\"}", false),
            ("{\"city\": \"Bern\", \"days\": 0}", false),
            ("{\"city\": \"Bern\", \"days\": \"3\"}", false),
            ("{\"city\": \"Bern\", \"town\": 1}", false),
        ] {
            let call = format!("{{\"name\": \"map\", \"arguments\": {arguments}}}");
            for text in [
                call.clone(),
                format!("```json\n{call}\n```"),
                format!("<tool_call>\n{call}\n</tool_call>"),
                format!("<tools>\n{call}\n</tools>"),
            ] {
                let want = match fits {
                    true => reply("", "", &[("map", serde_json::from_str(arguments).expect("JSON"))]),
                    false => reply(&text, "", &[]),
                };
                assert_eq!(parse(parser(), &[&text]), want, "{text}");
                assert_eq!(parse(parser(), &chars(&text)), want, "by characters: {text}");
            }
        }
        let text =
            "<function=map>\n<parameter=city>\nBern\n</parameter>\n<parameter=days>\nmany\n</parameter>\n</function>";
        assert_eq!(parse(parser(), &chars(text)), reply(text, "", &[]));
    }
}

/// Tokens with anything of a thought are the thought's: not its tags, not white space beside them, whoever wrote them.
#[test]
fn tokens_of_thoughts_are_counted_by_what_they_hold() {
    for (prompt, tokens, count) in [
        ("", &["<think>", "\n", "So", " it", " is", ".", "\n", "</think>", "\n\n", "Yes"][..], 4),
        ("<think>", &["So", " it", "</thi", "nk>", "Yes"], 2),
        ("<think>", &["So ", "\n\n", "it", ".</", "think>Yes"], 4),
        ("<think>", &["", "é", "", "🙂", "</think>", "", "🙂"], 4),
        ("<think>", &["\n", "\n", "</think>", "Yes"], 0),
        ("<think>", &["So"], 1),
        ("", &["No", " <think>", "thought", "</think>"], 0),
    ] {
        let ends: Vec<usize> = tokens
            .iter()
            .scan(0, |end, token| {
                *end += token.len();
                Some(*end)
            })
            .collect();
        let text = tokens.concat();
        for pieces in [tokens.to_vec(), vec![&text[..]], chars(&text)] {
            let mut parser = Parser::new(&of(HERMES), &think(), &[], prompt);
            pieces.iter().for_each(|piece| drop(parser.push(piece)));
            parser.finish();
            assert_eq!(parser.thought_tokens(&ends), count, "{tokens:?}");
        }
    }
}

#[test]
fn parts_of_results_are_told_in_words_too() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let call = json!({"id": "a", "type": "function", "function": {"name": "map", "arguments": "{}"}});
    let messages = [
        json!({"role": "assistant", "content": [part("I "), part("look.")], "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "a", "content": [part("a "), part("b")]}),
    ];
    let told = Form { writes_calls: false, ..Form::generic() }.messages(&messages, &[]);
    assert!(told[0]["content"].as_str().is_some_and(|text| text.starts_with("I look.\n<tool_call>")), "{told:?}");
    assert_eq!(told[1]["content"], "<tool_response>\na b\n</tool_response>");
}
