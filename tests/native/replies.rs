//! Replies taken apart: small templates of our own for each kind of form, whatever the text is cut into.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Map, Value, json};
use sotto::chat::forms::{Call, Form, Origin};
use sotto::chat::parse::{Delta, Held, Parser};
use sotto::chat::reasoning::ReasoningForm;
use sotto::text::template::ChatTemplate;

use crate::forms::{Reply, chars, parse};

/// A template: `head` before each call, which `call` writes of `c`.
pub fn template(first: &str, call: &str, between: &str, last: &str) -> ChatTemplate {
    let source = format!(
        "{{% for m in messages %}}<|{{{{ m.role }}}}|>{{{{ m.content }}}}{{% if m.tool_calls %}}{first}\
         {{% for t in m.tool_calls %}}{{% set c = t.function %}}{call}{{% if not loop.last %}}{between}{{% endif %}}\
         {{% endfor %}}{last}{{% endif %}}<|end|>{{% endfor %}}\
         {{% if add_generation_prompt %}}<|assistant|>{{% endif %}}"
    );
    ChatTemplate::new(&source).unwrap()
}

pub const HERMES: [&str; 4] = [
    "",
    "<tool_call>\n{\"name\": \"{{ c.name }}\", \"arguments\": {{ c.arguments|tojson }}}\n</tool_call>",
    "{{ '\n' }}",
    "",
];
pub const CODER: [&str; 4] = [
    "",
    "<tool_call>\n<function={{ c.name }}>\n{% for k, v in c.arguments.items() %}<parameter={{ k }}>\n\
     {{ v if v is string else v|tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>",
    "{{ '\n' }}",
    "",
];

pub fn of([first, call, between, last]: [&str; 4]) -> Form {
    Form::of(&template(first, call, between, last), &Map::new())
}

pub fn tools() -> Vec<Value> {
    let properties = json!({"city": {"type": "string"}, "days": {"type": "integer"}});
    ["weather", "map"]
        .iter()
        .map(|name| json!({"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}))
        .collect()
}

pub fn think() -> ReasoningForm {
    ReasoningForm { open: "<think>".into(), close: "</think>".into(), markup: Vec::new() }
}

/// The reply, which is the same whole, by characters, and cut in two anywhere.
fn read(form: &Form, reasoning: &ReasoningForm, prompt: &str, text: &str) -> Reply {
    let tools = tools();
    let parser = || Parser::new(form, reasoning, &tools, prompt);
    let whole = parse(parser(), &[text]);
    assert_eq!(parse(parser(), &chars(text)), whole, "by characters: {text}");
    for (at, _) in text.char_indices() {
        assert_eq!(parse(parser(), &[&text[..at], &text[at..]]), whole, "cut at {at}: {text}");
    }
    whole
}

pub fn reply(content: &str, reasoning: &str, calls: &[(&str, Value)]) -> Reply {
    Reply {
        content: content.into(),
        reasoning: reasoning.into(),
        calls: calls.iter().map(|(name, arguments)| (name.to_string(), arguments.clone())).collect(),
        ids: vec![None; calls.len()],
    }
}

#[test]
fn a_form_is_read_off_a_template() {
    let form = of(HERMES);
    assert_eq!((form.origin, form.several), (Origin::Template, true));
    assert_eq!((form.before.as_str(), form.between.as_str()), ("<tool_call>\n", "\n"));
    assert_eq!((form.open.as_str(), form.after.as_str(), form.close.as_str()), ("", "\n</tool_call>", ""));
    let form = of(["[CALLS][", "{\"tool\": \"{{ c.name }}\", \"with\": {{ c.arguments|tojson }}}", ", ", "]"]);
    assert_eq!((form.open.as_str(), form.between.as_str(), form.close.as_str()), ("[CALLS][", ", ", "]"));
    assert!(!form.lists_tools && form.writes_calls && form.takes_system);
}

/// (what it is, before the first call, a call, between two, after the last) of templates that write calls.
pub fn kinds() -> [(&'static str, [&'static str; 4]); 10] {
    [
        ("JSON in tags", HERMES),
        (
            "a list",
            ["<calls>[", "{\"name\": \"{{ c.name }}\", \"parameters\": {{ c.arguments|tojson }}}", ", ", "]</calls>"],
        ),
        ("bare JSON", ["", "{\"name\": \"{{ c.name }}\", \"parameters\": {{ c.arguments|tojson }}}", "; ", ""]),
        ("the name as a key", ["<c>[", "{\"{{ c.name }}\": {{ c.arguments|tojson }}}", ", ", "]</c>"]),
        ("a name, then JSON", ["", "[TOOL_CALLS]{{ c.name }}[ARGS]{{ c.arguments|tojson }}", "", ""]),
        ("a number", ["<s>", "<c>f.{{ c.name }}:{{ loop.index0 }}<a>{{ c.arguments|tojson }}</c>", "", "</s>"]),
        ("parameters in lines", CODER),
        (
            "keys and values in tags",
            [
                "",
                "<tool_call>{{ c.name }}{% for k, v in c.arguments.items() %}<k>{{ k }}</k>\
                 <v>{{ v if v is string else v|tojson }}</v>{% endfor %}</tool_call>",
                "",
                "",
            ],
        ),
        (
            "a word that tells strings",
            [
                "<calls>",
                "<invoke name=\"{{ c.name }}\">{% for k, v in c.arguments.items() %}<p name=\"{{ k }}\" \
                 string=\"{{ 'true' if v is string else 'false' }}\">{{ v if v is string else v|tojson }}</p>{% endfor %}</invoke>",
                "",
                "</calls>",
            ],
        ),
        (
            "as in Python",
            [
                "<|call|>[",
                "{{ c.name }}({% for k, v in c.arguments.items() %}{{ k }}={% if v is string %}'{{ v }}'{% else %}{{ v }}{% endif %}\
                 {% if not loop.last %}, {% endif %}{% endfor %})",
                ", ",
                "]<|/call|>",
            ],
        ),
    ]
}

#[test]
fn each_kind_of_form_reads_what_its_template_writes() {
    let kinds = kinds();
    let calls = [
        ("weather", json!({"city": "L'Haÿ \"x\" {41}", "days": 3})),
        ("map", json!({"city": "41"})),
        ("map", json!({})),
    ];
    for (kind, texts) in kinds {
        let form = of(texts);
        assert_eq!((form.origin, form.several), (Origin::Template, true), "{kind}");
        let [first, call, between, last] = texts;
        let template = template(first, call, between, last);
        let written: Vec<Value> = calls
            .iter()
            .map(|(name, arguments)| json!({"id": "a", "type": "function", "function": {"name": name, "arguments": arguments}}))
            .collect();
        let message = json!([{"role": "assistant", "content": "Look:", "tool_calls": written}]);
        let text = template.render(&message, &Default::default()).unwrap();
        let text = text.trim_start_matches("<|assistant|>").trim_end_matches("<|end|>");
        if first.is_empty() && call.starts_with('{') {
            // Bare JSON is a call at the start alone.
            let text = text.trim_start_matches("Look:");
            assert_eq!(read(&form, &think(), "", text), reply("", "", &calls), "{kind}");
        } else {
            assert_eq!(read(&form, &think(), "", text), reply("Look:", "", &calls), "{kind}: {text}");
        }
    }
}

#[test]
fn what_a_form_writes_it_reads() {
    let calls = [("weather", json!({"city": "Rome\nand \"more\"", "days": 2})), ("map", json!({}))];
    for texts in [HERMES, CODER] {
        let form = of(texts);
        let written = calls.iter().map(|(name, arguments)| sotto::chat::forms::Written {
            id: None,
            name: name.to_string(),
            arguments: arguments.as_object().unwrap().clone(),
        });
        let text = form.write(&written.collect::<Vec<_>>());
        assert_eq!(read(&form, &think(), "", &text), reply("", "", &calls), "{text}");
    }
}

#[test]
fn text_stands_before_between_and_after_calls() {
    let form = of(HERMES);
    let call = "<tool_call>\n{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>";
    let bern = ("map", json!({"city": "Bern"}));
    let all = read(&form, &think(), "", &format!("First.\n\n{call}\nThen:\n{call}{call}\nDone."));
    assert_eq!(all, reply("First.\n\nThen:\nDone.", "", &[bern.clone(), bern.clone(), bern.clone()]));
    // The end of a turn may come before the closing tag.
    let open = "<tool_call>{\"arguments\": {\"city\": \"Bern\"}, \"name\": \"map\"}";
    assert_eq!(read(&form, &think(), "", open), reply("", "", &[bern]));
}

#[test]
fn small_models_write_calls_otherwise() {
    let (form, bern) = (of(CODER), ("map", json!({"city": "Bern"})));
    for text in [
        "```json\n{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}\n```",
        "```\n[{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}]\n```",
        "```xml\n<tool_call>\n<function=map>\n<parameter=city>\nBern\n</parameter>\n</function>\n</tool_call>\n```",
        "<function=map>\n<parameter=city>\nBern\n</parameter>\n</function>",
        "{\"name\": \"map\", \"parameters\": {\"city\": \"Bern\"}}",
        "{\"type\": \"function\", \"function\": {\"name\": \"map\", \"arguments\": \"{\\\"city\\\": \\\"Bern\\\"}\"}}",
        "<tools>\n{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}\n</tools>",
        "<tool_call>\n{'name': 'map', 'arguments': {'city': 'Bern'}}\n</tool_call>",
        "<|python_tag|>{\"name\": \"map\", \"parameters\": {\"city\": \"Bern\"}}",
        "{{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}}",
        "```json\n{{\n  \"name\": \"map\",\n  \"arguments\": {\"city\": \"Bern\"}\n}}\n```",
    ] {
        assert_eq!(read(&form, &think(), "", text), reply("", "", std::slice::from_ref(&bern)), "{text}");
    }
    let text = "Sure:\n```json\n{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}}\n```\nThat is all.";
    assert_eq!(read(&form, &think(), "", text), reply("Sure:\nThat is all.", "", &[bern]));
}

#[test]
fn what_is_no_call_is_content_to_the_letter() {
    for texts in [HERMES, CODER] {
        let form = of(texts);
        for text in [
            "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"map\", \"arguments\": \"{\\\"city",
            "<tool_call>\n{\"name\": \"map\", \"arguments\": [1]}\n</tool_call>",
            "<tool_call>\n<function=map>\n<parameter=city>\nBern",
            "The tag <tool_call> starts a call, `</tool_call>` ends it. <tool",
            "```json\n{\"name\": \"Bob\", \"age\": 3}\n```\n",
            "```rust\nlet map = [1];\n```",
            "{\"name\": \"map\"}",
            "{{\"name\": \"map\", \"arguments\": {}}",
            "{{ answer }}",
            "{\"answer\": 42}",
            " [1, 2]\n",
            "<function=mapping>{}</function>",
            "a < b, `x` and ``y``\n\n",
            "",
        ] {
            assert_eq!(read(&form, &think(), "", text), reply(text, "", &[]), "{text}");
        }
    }
    // Without tools nothing is a call.
    let text = "<tool_call>\n{\"name\": \"map\", \"arguments\": {}}\n</tool_call>";
    assert_eq!(parse(Parser::new(&of(HERMES), &think(), &[], ""), &chars(text)), reply(text, "", &[]));
}

#[test]
fn a_call_streams_once_it_is_sure() {
    let form = of(HERMES);
    let tools = tools();
    let pieces = |text: &str| {
        let mut parser = Parser::new(&form, &think(), &tools, "");
        let mut all: Vec<Delta> = chars(text).iter().flat_map(|piece| parser.push(piece)).collect();
        all.extend(parser.finish());
        let calls = all.into_iter().filter_map(|delta| match delta {
            Delta::Call { name, arguments, .. } => Some((name.unwrap_or_default(), arguments)),
            _ => None,
        });
        calls.collect::<Vec<_>>()
    };
    let call =
        |arguments: &str| format!("<tool_call>\n{{\"name\": \"map\", \"arguments\": {arguments}}}\n</tool_call>");
    let told = |rest: &[&str]| -> Vec<(String, String)> {
        let rest = rest.iter().map(|text| (String::new(), text.to_string()));
        std::iter::once(("map".to_string(), String::new())).chain(rest).collect()
    };
    let plain = "{\"city\": \"a, b\", \"at\": [1, 2], \"days\": 3}";
    let rest = ["{\"city\": \"a, b\"", ", \"at\": [1, 2]", ", \"days\": 3}"];
    assert_eq!(pieces(&call(plain)), told(&rest));
    // As Python has it, wholly or from somewhere on.
    assert_eq!(pieces(&call("{'city': 'a', 'days': 3}")), told(&["{\"city\":\"a\",\"days\":3}"]));
    let mixed = "{\"city\": \"a\", \"exact\": True, \"days\": None}";
    assert_eq!(pieces(&call(mixed)), told(&["{\"city\": \"a\"", ", \"exact\":true,\"days\":null}"]));
    assert_eq!(pieces(&call("{\"city\": \"a\",}")), told(&["{\"city\": \"a\"", "}"]));
    // One that is cut is what there is of it.
    let cut = "<tool_call>\n{\"name\": \"map\", \"arguments\": {\"city\": \"a\", \"da";
    assert_eq!(pieces(cut), told(&["{\"city\": \"a\"", ", \"da"]));
    // Without a tag JSON may be the reply.
    let bare = "{\"name\": \"map\", \"arguments\": {\"city\": \"a\", \"days\": 3}}";
    assert_eq!(pieces(bare), [("map".to_string(), "{\"city\": \"a\", \"days\": 3}".to_string())]);
}

#[test]
fn a_call_within_what_is_none_is_found() {
    let text = "<tool_call>{\"name\": \"no\"}</tool_call><tool_call>{\"name\": \"map\", \"arguments\": {}}</tool_call>";
    let want = reply("<tool_call>{\"name\": \"no\"}</tool_call>", "", &[("map", json!({}))]);
    assert_eq!(read(&of(HERMES), &think(), "", text), want);
}

#[test]
fn hostile_replies_end() {
    let form = of(CODER);
    let tools = tools();
    for text in [
        "<tool_call><function=map><parameter=city>".repeat(3_000),
        "{\"name\":".repeat(20_000),
        format!("<tool_call>{}", "[".repeat(100_000)),
        format!("<tool_call>{}", "{\"function\":".repeat(50_000)),
        format!("<tool_call>{{\"name\": \"map\", \"arguments\": {}", "{'a':".repeat(50_000)),
        "<think>".repeat(20_000),
        "`".repeat(50_000),
    ] {
        for prompt in ["", "<think>"] {
            let whole = parse(Parser::new(&form, &think(), &tools, prompt), &[&text]);
            assert!(whole.calls.len() <= 1);
        }
        let whole = parse(Parser::new(&form, &think(), &tools, ""), &chars(&text));
        assert!(whole.content.len() + whole.reasoning.len() <= text.len());
    }
}

#[test]
fn reasoning_stands_apart() {
    let (form, think) = (of(HERMES), think());
    let call = "<tool_call>\n{\"name\": \"map\", \"arguments\": {}}\n</tool_call>";
    let map = ("map", json!({}));
    assert_eq!(read(&form, &think, "", "<think>\nHm.\n\n</think>\n\nYes.\n"), reply("Yes.\n", "Hm.", &[]));
    assert_eq!(read(&form, &think, "x<think>\n", "Hm.\n</think>\n\nYes."), reply("Yes.", "Hm.", &[]));
    assert_eq!(read(&form, &think, "x<think>\n", "<think>\nHm.</think>Yes."), reply("Yes.", "Hm.", &[]));
    assert_eq!(read(&form, &think, "x<think>\n\n</think>\n\n", "Yes."), reply("Yes.", "", &[]));
    assert_eq!(read(&form, &think, "<think>", "A cut thought </thi"), reply("", "A cut thought </thi", &[]));
    assert_eq!(read(&form, &think, "", &format!("<think>Look.</think>\n{call}")), reply("", "Look.", &[map]));
    // In the middle of a reply a tag is text.
    let text = "The tag <think> opens, </think> closes.";
    assert_eq!(read(&form, &think, "", text), reply(text, "", &[]));
}

#[test]
fn reasoning_is_read_off_a_template() {
    let tags = |open: &str, close: &str, source: &str| {
        let form = ReasoningForm::of(&ChatTemplate::new(source).unwrap(), &Map::new());
        assert_eq!((form.open.as_str(), form.close.as_str()), (open, close), "{source}");
        form
    };
    let message = "{% for m in messages %}<|{{ m.role }}|>";
    tags(
        "<mm:think>",
        "</mm:think>",
        &format!(
            "{message}{{% if m.reasoning_content %}}<mm:think>\n{{{{ m.reasoning_content }}}}\n</mm:think>\n\n{{% endif %}}\
             {{{{ m.content }}}}<|end|>{{% endfor %}}"
        ),
    );
    tags("[THINK]", "[/THINK]", &format!("{message}{{{{ m.content }}}}{{% endfor %}}{{# [THINK] #}}"));
    tags("<think>", "</think>", &format!("{message}{{{{ m.content }}}}{{% endfor %}}"));
    let cohere = format!(
        "{message}{{% if m.thinking %}}<|START_THINKING|>{{{{ m.thinking }}}}<|END_THINKING|>{{% endif %}}\
         <|START_TEXT|>{{{{ m.content }}}}<|END_TEXT|><|end|>{{% endfor %}}"
    );
    let form = tags("<|START_THINKING|>", "<|END_THINKING|>", &cohere);
    assert_eq!(form.markup, ["<|START_TEXT|>", "<|END_TEXT|>"]);
    let text = "<|START_THINKING|>Hm.<|END_THINKING|><|START_TEXT|>Yes.<|END_TEXT|>";
    assert_eq!(read(&of(HERMES), &form, "", text), reply("Yes.", "Hm.", &[]));
}

#[test]
fn channels_of_gpt_oss_are_told_apart() {
    let source = "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}\
                  {# <|channel|>analysis <|channel|>commentary #}";
    let template = ChatTemplate::new(source).unwrap();
    let (form, reasoning) = (Form::of(&template, &Map::new()), ReasoningForm::of(&template, &Map::new()));
    let text = "<|channel|>analysis<|message|>Look it up.<|end|><|start|>assistant<|channel|>commentary to=functions.map \
                <|constrain|>json<|message|>{\"city\": \"Bern\"}<|call|>";
    assert_eq!(read(&form, &reasoning, "", text), reply("", "Look it up.", &[("map", json!({"city": "Bern"}))]));
    let text = " to=functions.map<|channel|>commentary json<|message|>{\"city\": \"Bern\"}";
    assert_eq!(read(&form, &reasoning, "", text), reply("", "", &[("map", json!({"city": "Bern"}))]));
    let text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>";
    assert_eq!(read(&form, &reasoning, "", text), reply("Yes.", "Hm.", &[]));
}

#[test]
fn a_template_without_tools_gets_them_in_words() {
    let source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}\
                  <|{{ m.role }}|>{{ m.content }}{% endfor %}";
    let form = Form::of(&ChatTemplate::new(source).unwrap(), &Map::new());
    assert_eq!((form.origin, form.takes_system), (Origin::Own, false));
    let call = json!({"id": "a", "type": "function", "function": {"name": "map", "arguments": "{\"city\":\"Bern\"}"}});
    let chat = [
        json!({"role": "user", "content": "Where?"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "a", "content": "There."}),
    ];
    let messages = form.messages(&chat, &tools());
    let texts: Vec<&str> = messages.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert!(texts[0].contains("\"name\":\"map\"") && texts[0].ends_with("Where?"), "{}", texts[0]);
    assert_eq!(read(&form, &think(), "", texts[1]), reply("", "", &[("map", json!({"city": "Bern"}))]));
    assert_eq!(messages[2]["role"], "user");
    assert!(texts[2].contains("There."));
    assert!(form.messages(&chat[..1], &[])[0] == chat[0], "without tools nothing is said of them");
}

/// Pieces of replies, put together at random: what comes out is the same however the text is cut, and without calls and
/// thoughts it is the text.
#[test]
fn no_cut_changes_what_comes_out() {
    const PIECES: [&str; 24] = [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "```json\n",
        "```",
        "{\"name\": \"map\", \"arguments\": {}}",
        "{\"name\": \"weather\", \"arguments\": {\"city\": \"B\"}}",
        "{\"name\": \"no\"}",
        "<function=map>",
        "<parameter=city>",
        "\nBern\n",
        "</parameter>",
        "</function>",
        "[",
        "]",
        ",",
        "\n",
        "  ",
        "Text. ",
        "é🙂",
        "<",
        "{",
        "`",
    ];
    let tools = tools();
    let mut state: u64 = 1;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let forms = [of(HERMES), of(CODER), Form::generic()];
    for round in 0..6_000 {
        let text: String = (0..1 + random(12)).map(|_| PIECES[random(PIECES.len())]).collect();
        let form = &forms[round % forms.len()];
        let parser = || Parser::new(form, &think(), &tools, if round % 5 == 0 { "<think>" } else { "" });
        let whole = parse(parser(), &[&text]);
        assert_eq!(parse(parser(), &chars(&text)), whole, "by characters: {text:?}");
        let cut = text.char_indices().map(|(at, _)| at).nth(random(text.chars().count())).unwrap_or(0);
        assert_eq!(parse(parser(), &[&text[..cut], &text[cut..]]), whole, "cut at {cut}: {text:?}");
        if whole.calls.is_empty() && round % 5 > 0 && !text.contains("think>") {
            assert_eq!(whole.content, text);
        }
    }
}

#[test]
fn arguments_come_as_they_are_written_where_a_grammar_holds_the_call() {
    let calls = [("map", json!({"city": "Bern", "days": 3})), ("weather", json!({"city": "Rome"}))];
    let written = calls.iter().map(|(name, arguments)| sotto::chat::forms::Written {
        id: None,
        name: name.to_string(),
        arguments: arguments.as_object().unwrap().clone(),
    });
    let written: Vec<_> = written.collect();
    for (kind, texts) in kinds() {
        let (form, tools, held) = (of(texts), tools(), Rc::new(Cell::new(Held::Calls)));
        let text = form.write(&written);
        let parser = || Parser::new(&form, &think(), &tools, "").held_to(held.clone());
        let whole = parse(parser(), &[&text]);
        assert_eq!(whole, reply("", "", &calls), "{kind}");
        for (at, _) in text.char_indices() {
            assert_eq!(parse(parser(), &[&text[..at], &text[at..]]), whole, "{kind}, cut at {at}: {text}");
        }
        let deltas = |text: &str| {
            let mut parser = parser();
            let mut all: Vec<Delta> = chars(text).into_iter().flat_map(|piece| parser.push(piece)).collect();
            all.extend(parser.finish());
            all
        };
        assert_eq!(parse(parser(), &chars(&text)), whole, "{kind}: {text}");
        let is_json = matches!(form.call, Call::Json(_) | Call::Keyed) || text.contains("{\"city\"");
        assert_eq!(deltas(&text).len() > 10, is_json, "{kind}: {text}");
        // What a limit cut is a call as far as it came.
        let cut = deltas(&text[..text.find("Be").unwrap() + 2]);
        let arguments: String = cut
            .iter()
            .filter_map(|delta| match delta {
                Delta::Call { arguments, .. } => Some(arguments.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(arguments == "{\"city\":\"Be", is_json, "{kind}: {cut:?}");
    }
}
