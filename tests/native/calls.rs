//! Grammars of calls: what each form writes is accepted, what is no call of the tools' is not.

use serde_json::{Map, Value, json};
use sotto::base::error::Code;
use sotto::chat::forms::grammar::Grammar;
use sotto::chat::forms::{Call, Form, Keys, Part, Written};
use sotto::chat::grammar::{Spec, Syntax};

use crate::common::grammars::of_bytes;
use crate::replies::{CODER, kinds, of, template, tools};

fn text(form: &Form, tools: &[Value], several: bool, before: &str) -> String {
    Grammar { form, tools, name: None, most: (!several).then_some(1), before }.text(&|_| None).expect("a grammar")
}

/// Whether the text is a whole reply in it, where the grammar first forbids it, if it does.
fn accepts(grammar: &str, text: &str) -> Result<(), String> {
    let spec = Spec::Grammar { grammar: grammar.into(), syntax: Syntax::Lark };
    let mut matcher = of_bytes(&spec).unwrap_or_else(|e| panic!("{e}\n{grammar}"));
    for (at, byte) in text.bytes().enumerate() {
        matcher.consume_token(u32::from(byte)).map_err(|_| format!("at {:?}", text.get(at..)))?;
    }
    if matcher.is_accepting().expect("an answer") { Ok(()) } else { Err("it is not whole".into()) }
}

fn written(calls: &[(&str, Value)]) -> Vec<Written> {
    let one = |(name, arguments): &(&str, Value)| Written {
        id: None,
        name: name.to_string(),
        arguments: arguments.as_object().expect("an object").clone(),
    };
    calls.iter().map(one).collect()
}

fn calls() -> [(&'static str, Value); 3] {
    [("weather", json!({"city": "L'Haÿ \"x\" {41}", "days": 3})), ("map", json!({"city": "41"})), ("map", json!({}))]
}

#[test]
fn what_a_form_writes_its_grammar_accepts() {
    let all = calls();
    for (kind, texts) in kinds() {
        let form = of(texts);
        let grammar = text(&form, &tools(), true, "");
        for calls in [&all[..], &all[..1], &all[1..]] {
            let reply = form.write(&written(calls));
            assert_eq!(accepts(&grammar, &reply), Ok(()), "{kind}: {reply}\n{grammar}");
            // And what its template renders, but for Python's quotes.
            let [first, call, between, last] = texts;
            let rendered: Vec<Value> = calls
                .iter()
                .map(|(name, arguments)| json!({"id": "a", "type": "function", "function": {"name": name, "arguments": arguments}}))
                .collect();
            let message = json!([{"role": "assistant", "content": "", "tool_calls": rendered}]);
            let reply = template(first, call, between, last).render(&message, &Default::default()).expect("a text");
            let reply = reply.trim_start_matches("<|assistant|>").trim_end_matches("<|end|>");
            if kind != "as in Python" {
                assert_eq!(accepts(&grammar, reply), Ok(()), "{kind}: {reply}\n{grammar}");
            }
        }
        let one = text(&form, &tools(), false, "");
        assert!(accepts(&one, &form.write(&written(&all[1..2]))).is_ok());
        assert!(accepts(&one, &form.write(&written(&all))).is_err(), "{kind}: several where one may be");
    }
}

#[test]
fn what_is_no_call_is_not_accepted() {
    for (kind, texts) in kinds() {
        let form = of(texts);
        let grammar = text(&form, &tools(), true, "");
        for call in [
            ("other", json!({"city": "41"})),
            ("map", json!({"town": "41"})),
            ("map", json!({"days": "many"})),
            ("map", json!({"days": 1.5})),
        ] {
            let reply = form.write(&written(&[call]));
            assert!(accepts(&grammar, &reply).is_err(), "{kind}: {reply}");
        }
        assert!(accepts(&grammar, "Hello").is_err() && accepts(&grammar, "").is_err());
    }
}

#[test]
fn members_that_are_required_must_be_there() {
    let tools = |required: Value| {
        let properties = json!({
            "unit": {"type": "string", "enum": ["C", "F"]},
            "city": {"type": "string"},
            "days": {"$ref": "#/$defs/count"},
            "exact": {"type": ["boolean", "null"]},
        });
        let parameters = json!({"type": "object", "properties": properties, "required": required,
            "$defs": {"count": {"type": "integer", "minimum": 1}}});
        [json!({"type": "function", "function": {"name": "weather", "parameters": parameters}})]
    };
    for (kind, texts) in kinds() {
        let form = of(texts);
        let call = |arguments: Value| form.write(&written(&[("weather", arguments)]));
        let strict = text(&form, &tools(json!(["city", "days"])), true, "");
        for arguments in [
            json!({"unit": "C", "city": "Bern", "days": 2, "exact": true}),
            json!({"city": "Bern", "days": 12}),
            json!({"city": "Bern", "days": 12, "exact": null}),
        ] {
            let reply = call(arguments);
            assert_eq!(accepts(&strict, &reply), Ok(()), "{kind}: {reply}\n{strict}");
        }
        for arguments in [
            json!({"city": "Bern"}),
            json!({}),
            json!({"unit": "K", "city": "Bern", "days": 2}),
            json!({"city": "Bern", "days": 0}),
        ] {
            assert!(accepts(&strict, &call(arguments.clone())).is_err(), "{kind}: {arguments}");
        }
        let loose = text(&form, &tools(json!([])), true, "");
        for arguments in [json!({}), json!({"exact": false}), json!({"unit": "F", "days": 1})] {
            let reply = call(arguments);
            assert_eq!(accepts(&loose, &reply), Ok(()), "{kind}: {reply}\n{loose}");
        }
    }
}

#[test]
fn tools_without_parameters_are_called_without() {
    let none = [json!({"type": "function", "function": {"name": "now"}})];
    let any = [json!({"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}})];
    for (kind, texts) in kinds() {
        let form = of(texts);
        let reply = form.write(&written(&[("now", json!({}))]));
        for tools in [&none, &any] {
            let grammar = text(&form, tools, true, "");
            assert_eq!(accepts(&grammar, &reply), Ok(()), "{kind}: {reply}\n{grammar}");
        }
        let more = form.write(&written(&[("now", json!({"zone": "CET"}))]));
        assert!(accepts(&text(&form, &none, true, ""), &more).is_err(), "{kind}");
    }
}

#[test]
fn what_is_required_and_not_described_is_written() {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["days"]});
    let tools = [json!({"type": "function", "function": {"name": "map", "parameters": parameters}})];
    for (kind, texts) in kinds() {
        let form = of(texts);
        let call = |arguments: Value| form.write(&written(&[("map", arguments)]));
        let grammar = text(&form, &tools, true, "");
        assert_eq!(accepts(&grammar, &call(json!({"city": "Bern", "days": 3}))), Ok(()), "{kind}: {grammar}");
        assert!(accepts(&grammar, &call(json!({"city": "Bern"}))).is_err(), "{kind}");
    }
}

#[test]
fn many_tools_have_a_grammar() {
    let properties = json!({"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}});
    let tool = |name: String| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}});
    let all: Vec<Value> = (0..200).map(|number| tool(format!("tool.{number}-b"))).collect();
    for (kind, texts) in kinds() {
        // Lists of what may be left out take many rules.
        let tools = &all[if kind == "as in Python" { 100 } else { 0 }..];
        let form = of(texts);
        let grammar = text(&form, tools, false, "");
        let call = |name: &str| form.write(&written(&[(name, json!({"city": "Bern", "days": 3}))]));
        assert_eq!(accepts(&grammar, &call("tool.199-b")), Ok(()), "{kind}");
        assert!(accepts(&grammar, &call("tool.200-b")).is_err(), "{kind}");
    }
}

#[test]
fn there_may_be_so_many_calls() {
    let all = calls();
    let (form, tools) = (of(kinds()[0].1), tools());
    let grammar = Grammar { form: &form, tools: &tools, name: None, most: Some(2), before: "" };
    let grammar = grammar.text(&|_| None).expect("a grammar");
    let two = form.write(&written(&all[..2]));
    assert_eq!([accepts(&grammar, &form.write(&written(&all[..1]))), accepts(&grammar, &two)], [Ok(()), Ok(())]);
    assert!(accepts(&grammar, &form.write(&written(&all))).is_err());
}

#[test]
fn a_text_may_stand_before_and_control_tokens_are_named() {
    let form = of(kinds()[0].1);
    let reply = form.write(&written(&calls()));
    assert_eq!(accepts(&text(&form, &tools(), true, ">\n"), &format!(">\n{reply}")), Ok(()));
    let control = |text: &str| text.starts_with("<tool_call>").then_some((17, 11));
    let grammar = Grammar { form: &form, tools: &tools(), name: Some("map"), most: None, before: "" };
    let named = grammar.text(&control).expect("a grammar");
    assert!(named.contains("one: <[17]> \"\\n\" ws call ws") && !named.contains("weather"), "{named}");
    let missing = Grammar { name: Some("no"), ..grammar }.text(&control).expect_err("a refusal");
    assert_eq!(missing.code, Code::BadOption);
}

#[test]
fn ids_and_inner_objects_stand_where_models_write_them() {
    let form = |inner: Option<&str>| {
        let keys = Keys {
            inner: inner.map(String::from),
            name: "name".into(),
            arguments: "arguments".into(),
            id: Some("id".into()),
        };
        Form { open: "[TOOL_CALLS][".into(), close: "]".into(), call: Call::Json(keys), ..Form::default() }
    };
    let flat = text(&form(None), &tools(), false, "");
    for reply in [
        "[TOOL_CALLS][{\"name\": \"map\", \"arguments\": {\"city\": \"Bern\"}, \"id\": \"abc123def\"}]",
        "[TOOL_CALLS][{\"id\":\"abc123def\",\"name\":\"map\",\"arguments\":{}}]",
        "[TOOL_CALLS][{\"name\": \"map\", \"arguments\": {}}]",
    ] {
        assert_eq!(accepts(&flat, reply), Ok(()), "{reply}\n{flat}");
    }
    let inner = text(&form(Some("function")), &tools(), false, "");
    for reply in [
        "[TOOL_CALLS][{\"type\": \"function\", \"function\": {\"name\": \"map\", \"arguments\": {}}}]",
        "[TOOL_CALLS][{\"id\": \"a\", \"type\": \"function\", \"function\": {\"name\": \"map\", \"arguments\": {}}}]",
    ] {
        assert_eq!(accepts(&inner, reply), Ok(()), "{reply}\n{inner}");
    }
}

/// As Gemma 4 writes calls.
fn literals() -> Form {
    let parts = vec![Part::Name, Part::Text("{".into()), Part::Literal { sep: ':' }, Part::Text("}".into())];
    Form { before: "<call>".into(), call: Call::Text(parts), after: "<end>".into(), several: true, ..Form::default() }
}

#[test]
fn literals_fit_their_schema() {
    let parameters = json!({"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["C", "F", 1, null]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "exact": {"type": ["boolean", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "place": {"type": "object", "properties": {"x": {"type": "number"}, "next": {"$ref": "#/properties/place"}}, "required": ["x"]},
        "any": {},
    }});
    let tool = |strict: bool, parameters: &Value| {
        [json!({"type": "function", "function": {"name": "weather", "strict": strict, "parameters": parameters}})]
    };
    let form = literals();
    let grammar = text(&form, &tool(true, &parameters), true, "");
    let call = |arguments: Value| form.write(&written(&[("weather", arguments)]));
    for arguments in [
        json!({"city": "L'Haÿ \"x\" {41}, <b>"}),
        json!({"city": "", "unit": "F", "days": 3, "exact": null, "tags": ["a", "b"], "place": {"x": -1.5, "next": {"x": 2}}}),
        json!({"city": "a", "unit": null, "exact": true, "any": {"a": [1, "b", {"c": null}]}}),
    ] {
        assert_eq!(accepts(&grammar, &call(arguments.clone())), Ok(()), "{}\n{grammar}", call(arguments));
    }
    for arguments in [
        json!({}),
        json!({"city": 3}),
        json!({"city": "a", "days": 10}),
        json!({"city": "a", "unit": "K"}),
        json!({"city": "a", "tags": []}),
        json!({"city": "a", "tags": ["a", "b", "c"]}),
        json!({"city": "a", "place": {}}),
        json!({"city": "a", "town": "b"}),
    ] {
        assert!(accepts(&grammar, &call(arguments.clone())).is_err(), "{arguments}");
    }
    // What is not kept is refused where the tool is strict.
    let kept = |strict: bool, city: Value| {
        let parameters = json!({"type": "object", "properties": {"city": city}, "required": ["city"]});
        let tools = tool(strict, &parameters);
        Grammar { form: &form, tools: &tools, name: None, most: None, before: "" }.text(&|_| None)
    };
    let not = |strict| kept(strict, json!({"type": "string", "not": {"const": "a"}}));
    let refused = not(true).expect_err("a refusal");
    assert!(
        refused.code == Code::BadOption && refused.message.contains("\"not\" at /properties/city/not"),
        "{refused}"
    );
    assert_eq!(not(false).err(), None);
    let pattern = kept(true, json!({"type": "string", "pattern": "^a", "maxLength": 3})).expect("a grammar");
    let city = |city: &str| call(json!({ "city": city }));
    assert_eq!(accepts(&pattern, &city("ab")), Ok(()), "{pattern}");
    assert!(accepts(&pattern, &city("b")).is_err() && accepts(&pattern, &city("abcd")).is_err());
}

#[test]
fn gpt_oss_says_how_its_arguments_are_written() {
    let source = "{% for m in messages %}{{ m.content }}{% endfor %}{# <|channel|>commentary #}";
    let form = Form::of(&sotto::text::template::ChatTemplate::new(source).expect("a template"), &Map::new());
    let grammar = text(&form, &tools(), form.several, "");
    for between in [" <|constrain|>json", "<|channel|>commentary json", "<|channel|>commentary <|constrain|>json", ""] {
        let reply = format!("to=functions.map{between}<|message|>{{\"city\": \"Bern\"}}<|call|>");
        assert_eq!(accepts(&grammar, &reply), Ok(()), "{reply}\n{grammar}");
    }
    let control = |text: &str| text.starts_with("<|constrain|>").then_some((9, 13));
    let named = Grammar { form: &form, tools: &tools(), name: None, most: Some(1), before: "" }.text(&control);
    assert!(named.expect("a grammar").contains("\" \" <[9]> \"json\""));
}

#[test]
fn forms_of_the_table_have_grammars() {
    for word in [
        "<|channel|>commentary",
        ">>>${recipient}",
        "functools[",
        "<|tool_call|>",
        "<|tool_calls_section_begin|>",
        "List of tools:",
        "<tool_call>",
    ] {
        let source = format!("{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}{{# {word} #}}");
        let template = sotto::text::template::ChatTemplate::new(&source).expect("a template");
        let form = Form::of(&template, &Map::new());
        let reply = form.write(&written(&calls()[..2]));
        let grammar = text(&form, &tools(), true, "");
        assert_eq!(accepts(&grammar, &reply), Ok(()), "{word}: {reply}\n{grammar}");
    }
}

#[test]
fn what_the_forms_of_real_templates_write_their_grammars_accept() {
    let Some(all) = crate::forms::templates() else { return };
    let (tools, mut wrong, mut right, mut without) = (crate::forms::tools(), Vec::new(), 0, Vec::new());
    let tools = tools.as_array().expect("a list");
    for (name, template) in all {
        let form = Form::of(&template, &Map::new());
        let grammar = Grammar { form: &form, tools, name: None, most: (!form.several).then_some(1), before: "" };
        let Ok(grammar) = grammar.text(&|_| None) else {
            without.push(name);
            continue;
        };
        for (case, calls) in crate::forms::cases().iter().filter(|(_, calls)| form.several || calls.len() == 1) {
            let reply = form.write(&written(calls));
            match accepts(&grammar, &reply) {
                Ok(()) => right += 1,
                Err(error) => wrong.push(format!("{name}, {case}: {error} of {reply:?}\n{grammar}")),
            }
        }
    }
    eprintln!("{right} texts of calls are accepted; no grammar for {without:?}");
    assert!(wrong.is_empty(), "{} are wrong: {}", wrong.len(), wrong.join("\n"));
}

#[test]
fn strings_without_quotes_fit_their_schema() {
    let form = of(CODER);
    let tool = |strict: bool, schema: Value| {
        let parameters =
            json!({ "type": "object", "required": ["s"], "properties": { "s": schema, "n": { "type": "number" } } });
        [json!({"type": "function", "function": {"name": "map", "strict": strict, "parameters": parameters}})]
    };
    let grammar = |strict: bool, schema: Value| {
        Grammar { form: &form, tools: &tool(strict, schema), name: None, most: Some(1), before: "" }.text(&|_| None)
    };
    let takes = |schema: &Value, value: &str| {
        let grammar = grammar(true, schema.clone()).expect("a grammar");
        accepts(&grammar, &form.write(&written(&[("map", json!({ "s": value }))]))).is_ok()
    };
    let short = json!({ "type": "string", "minLength": 2, "maxLength": 14 });
    assert!(takes(&short, "Bern") && takes(&short, "</b>\nö") && !takes(&short, "B"));
    assert!(!takes(&short, "Bern and Thun, twice") && !takes(&short, "</parameter>"));
    // A value that holds the closing text would end there.
    let words = json!({ "type": "string", "enum": ["a", "</parameter>", "b</parameter>"] });
    assert!(takes(&words, "a") && !takes(&words, "</parameter>"));
    for hidden in
        [json!({ "type": "string", "const": "</parameter>" }), json!({ "type": "string", "enum": ["\n</parameter>"] })]
    {
        assert_eq!(grammar(false, hidden).expect_err("a refusal").code, Code::BadOption);
    }
    let bounded = |more: Value| {
        let mut schema = json!({ "type": "string" });
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    for (bound, fit, others) in [
        (json!({ "pattern": "^a" }), "a/b\n<c", ["b", "a</parameter>"]),
        (json!({ "pattern": "^(x|/)$|[0-9]$" }), "no 5", ["no", "5 </parameter> 5"]),
        (json!({ "format": "date" }), "2026-11-26", ["2026-11-31", "soon"]),
        (json!({ "format": "email", "pattern": "@b\\.ch$", "maxLength": 8 }), "a@b.ch", ["a@c.ch", "anna.z@b.ch"]),
        (json!({ "enum": ["a", "bb", "b\n</parameter>"], "pattern": "^b" }), "bb", ["a", "b"]),
    ] {
        let schema = bounded(bound);
        assert!(takes(&schema, fit), "{schema}");
        for other in others {
            assert!(!takes(&schema, other), "{schema}: {other}");
        }
    }
    for (bound, keyword) in [
        (json!({ "pattern": "a(?=b)" }), "pattern"),
        (json!({ "format": "phone" }), "format"),
        (json!({ "maxLength": 20_000 }), "maxLength"),
    ] {
        let spec = |strict| Spec::Grammar {
            grammar: grammar(strict, bounded(bound.clone())).expect("a text"),
            syntax: Syntax::Lark,
        };
        let error = of_bytes(&spec(true)).err().expect("a refusal").message;
        let start = format!(
            "In the parameters of the tool \"map\": The schema's keyword \"{keyword}\" at /properties/s/{keyword} "
        );
        assert!(error.starts_with(&start), "{error}");
        assert!(of_bytes(&spec(false)).is_ok(), "{keyword}");
    }
    // References lead into the whole, also from within others.
    let parameters = json!({ "type": "object", "required": ["a", "b"], "properties": {
        "s": { "type": "string", "enum": ["x", "5"] },
        "a": { "$ref": "#/properties/s" },
        "b": { "type": "array", "items": { "$ref": "#/properties/a" }, "minItems": 1 } } });
    let tools = [json!({"type": "function", "function": {"name": "map", "parameters": parameters}})];
    let grammar = text(&form, &tools, false, "");
    let call = |arguments: Value| form.write(&written(&[("map", arguments)]));
    assert_eq!(accepts(&grammar, &call(json!({ "a": "5", "b": ["x"] }))), Ok(()), "{grammar}");
    assert!(accepts(&grammar, &call(json!({ "a": "y", "b": ["x"] }))).is_err());
    let mut parser = sotto::chat::parse::Parser::new(&form, &Default::default(), &tools, "");
    let deltas = format!("{:?}", parser.push(&call(json!({ "a": "5", "b": ["</parameter>"] }))));
    assert!(!deltas.contains("Call"), "{deltas}");
    let held = std::rc::Rc::new(std::cell::Cell::new(sotto::chat::parse::Held::Calls));
    let mut parser = sotto::chat::parse::Parser::new(&form, &Default::default(), &tools, "").held_to(held);
    let deltas = format!("{:?}", parser.push(&call(json!({ "a": "5", "b": ["</parameter>"] }))));
    assert!(deltas.contains("{\\\"a\\\":\\\"5\\\",\\\"b\\\":[\\\"</parameter>\\\"]}"), "{deltas}");
    // Of all arguments together nothing more is kept.
    let together = json!({ "type": "object", "properties": { "s": { "type": "string" } }, "minProperties": 1 });
    let tools = [json!({"type": "function", "function": {"name": "map", "strict": true, "parameters": together}})];
    let refused = Grammar { form: &form, tools: &tools, name: None, most: None, before: "" }.text(&|_| None);
    assert!(refused.expect_err("a refusal").message.contains("minProperties"));
}

#[test]
fn a_forced_reply_has_so_many_calls() {
    let form = of(kinds()[0].1);
    let most = Grammar { form: &form, tools: &tools(), name: Some("map"), most: Some(2), before: "" };
    let most = most.text(&|_| None).expect("a grammar");
    let calls = |count: usize| form.write(&written(&vec![("map", json!({ "days": 1 })); count]));
    assert_eq!([1, 2].map(|count| accepts(&most, &calls(count))), [Ok(()), Ok(())]);
    assert!(accepts(&most, &calls(3)).is_err());
}
