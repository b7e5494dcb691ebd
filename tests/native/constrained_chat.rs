//! Chats whose replies must be like something, on a tiny random model: what it says then is what was asked for, however
//! little it makes of it.

use std::rc::Rc;

use pollster::block_on;
use serde_json::{Value, json};
use sotto::base::error::Code;
use sotto::chat::constrain::Plan;
use sotto::chat::grammar::Grammars;
use sotto::chat::linked::Linked;
use sotto::chat::request::ChatRequest;
use sotto::chat::session::{Event, Session};
use sotto::chat::writing::Writing;
use sotto::device::Backend;
use sotto::run::constraint::Next;
use sotto::run::engine::Engine;
use sotto::text::tokenizer::EncodeOptions;

use crate::common::run::on_both_backends;
use crate::generation::deep_engine;

/// Shows tools by their names, writes calls in tags, and may open a thought.
const TEMPLATE: &str = "{% for t in tools %}{{ t.function.name }} {% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n\
    {% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}\
    {% for c in m.tool_calls %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments|tojson }}}\n\
    </tool_call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n\
    {% if thinking %}<think>\n{% endif %}{% endif %}";

pub fn engine(backend: Backend) -> Engine {
    let mut engine = deep_engine(backend, "llama-f32", 512, if backend == Backend::Cpu { 1 } else { 3 });
    engine.templates.chat = Some(TEMPLATE.into());
    engine
}

pub fn request(more: Value) -> Value {
    let mut request = json!({ "messages": [{ "role": "user", "content": "the cat" }], "temperature": 1, "seed": 3 });
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

pub fn typed(request: &Value) -> ChatRequest {
    serde_json::from_value(request.clone()).expect("a request")
}

pub fn grammars(engine: &Engine) -> Rc<dyn Grammars> {
    Rc::new(Linked::new(&engine.tokenizer).expect("a vocabulary"))
}

fn answer(engine: &mut Engine, request: &Value) -> Value {
    let grammars = grammars(engine);
    let mut session = Session::chat(engine, &typed(request), Some(grammars)).expect("a session");
    let mut all = Vec::new();
    while let Some(events) = block_on(session.next(engine)).expect("a step") {
        all.extend(events.into_iter().filter_map(|event| match event {
            Event::Completion(completion) => Some(json!(completion)),
            _ => None,
        }));
    }
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Of a streamed answer, the one with the usage.
fn last_chunk(engine: &mut Engine, request: &Value) -> Value {
    let grammars = grammars(engine);
    let mut session = Session::chat(engine, &typed(request), Some(grammars)).expect("a session");
    let mut last = Value::Null;
    while let Some(events) = block_on(session.next(engine)).expect("a step") {
        last = events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Chunk(chunk) => Some(json!(chunk)),
                _ => None,
            })
            .unwrap_or(last);
    }
    last
}

pub fn schema() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {
        "a": { "type": "string", "enum": ["one", "two"] }, "b": { "type": "boolean" } } })
}

pub fn tools() -> Value {
    let named = |name: &str| json!({ "type": "function", "function": { "name": name, "parameters": schema() } });
    json!([named("first"), named("second")])
}

fn fits(text: &str) -> bool {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    let object = value.as_object().expect("an object");
    object.len() == 2 && ["one", "two"].iter().any(|word| value["a"] == *word) && value["b"].is_boolean()
}

fn a_reply_is_what_its_format_says(backend: Backend) {
    let mut engine = engine(backend);
    let format = |format: Value| request(json!({ "response_format": format }));
    let schema = json!({ "type": "json_schema", "json_schema": { "name": "x", "strict": true, "schema": schema() } });
    for seed in 0..6 {
        let mut request = format(schema.clone());
        request["seed"] = seed.into();
        request["temperature"] = if seed == 0 { 0 } else { 2 }.into();
        let answer = answer(&mut engine, &request);
        let choice = &answer["choices"][0];
        assert!(fits(choice["message"]["content"].as_str().expect("text")), "{answer}");
        assert_eq!(choice["finish_reason"], "stop");
        assert_eq!(answer["usage"]["total_tokens"].as_u64(), {
            let usage = &answer["usage"];
            Some(
                usage["prompt_tokens"].as_u64().expect("a number")
                    + usage["completion_tokens"].as_u64().expect("a number"),
            )
        });
    }
    let content = |answer: &Value| answer["choices"][0]["message"]["content"].as_str().expect("text").to_string();
    let code = answer(&mut engine, &format(json!({ "type": "regex", "pattern": "[A-C]{3}-[0-9]{2}" })));
    let code = content(&code);
    assert!(code.len() == 6 && code.as_bytes()[3] == b'-' && code[4..].parse::<u32>().is_ok(), "{code}");
    let lark = json!({ "type": "grammar", "syntax": "lark", "grammar": "start: \"yes\" | \"no\"" });
    assert!(["yes", "no"].contains(&content(&answer(&mut engine, &format(lark))).as_str()));
    // Cut by the limit, it is told so.
    let mut short = format(schema);
    short["max_completion_tokens"] = 3.into();
    let short = answer(&mut engine, &short);
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 3);
}

fn probabilities_have_a_place_for_each_token(backend: Backend) {
    let mut engine = engine(backend);
    let format = json!({ "type": "json_schema", "json_schema": { "schema": schema() } });
    let answer =
        answer(&mut engine, &request(json!({ "response_format": format, "logprobs": true, "top_logprobs": 2 })));
    let listed = answer["choices"][0]["logprobs"]["content"].as_array().expect("a list");
    let text: String = listed.iter().filter_map(|at| at["token"].as_str()).collect();
    assert_eq!(answer["choices"][0]["message"]["content"], text);
    assert!(listed.iter().any(|at| at["logprob"] == 0.0) && listed.iter().any(|at| at["logprob"].as_f64() < Some(0.0)));
}

fn a_call_that_is_asked_for_comes(backend: Backend) {
    let mut engine = engine(backend);
    let named = json!({ "type": "function", "function": { "name": "second" } });
    for (choice, name) in [(json!("required"), None), (named, Some("second"))] {
        for seed in 0..4 {
            // A named one is called once in any case.
            let parallel = name.is_some();
            let more =
                json!({ "tools": tools(), "tool_choice": choice, "parallel_tool_calls": parallel, "seed": seed });
            let answer = answer(&mut engine, &request(more));
            let choice = &answer["choices"][0];
            assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
            let calls = choice["message"]["tool_calls"].as_array().expect("calls");
            assert_eq!(calls.len(), 1);
            let function = &calls[0]["function"];
            assert!(fits(function["arguments"].as_str().expect("text")), "{answer}");
            assert!(name.is_none_or(|name| function["name"] == name), "{answer}");
        }
    }
    let mut refused = |more: Value| {
        let grammars = grammars(&engine);
        let refusal = Session::chat(&mut engine, &typed(&request(more)), Some(grammars));
        refusal.err().expect("a refusal")
    };
    let unknown =
        refused(json!({ "tools": tools(), "tool_choice": { "type": "function", "function": { "name": "third" } } }));
    assert!(unknown.code == Code::BadOption && unknown.message.contains("\"third\""), "{unknown}");
    assert_eq!(refused(json!({ "tool_choice": "required" })).code, Code::BadOption);
    // What would be ignored is refused.
    for format in [
        json!({ "type": "json_object", "schema": schema() }),
        json!({ "type": "json_schema", "json_schema": { "schema": schema(), "lenient": true } }),
        json!({ "type": "json_schema", "json_schema": { "schema": schema(), "strict": "false" } }),
        json!({ "type": "regex", "pattern": "a", "flags": "i" }),
    ] {
        assert_eq!(refused(json!({ "response_format": format })).code, Code::BadOption, "{format}");
    }
    let mut strict = tools();
    strict[1]["function"]["strict"] = true.into();
    strict[1]["function"]["parameters"]["properties"]["a"] = json!({ "type": "object", "minContains": 1 });
    let refusal = refused(json!({ "tools": strict }));
    assert!(refusal.code == Code::BadOption && refusal.message.contains("minContains"), "{refusal}");
    assert_eq!(refused(json!({ "response_format": { "type": "regex", "pattern": "(" } })).code, Code::BadOption);
    let strict = json!({ "name": "odd", "strict": true, "parameters": { "type": "object", "not": {} } });
    let strict = json!({ "tools": [{ "type": "function", "function": strict }], "tool_choice": "required" });
    let linked: Rc<dyn Grammars> = Rc::new(Linked::new(&engine.tokenizer).expect("a vocabulary"));
    let refusal = Session::chat(&mut engine, &typed(&request(strict)), Some(linked)).err().expect("a refusal");
    assert!(
        refusal.message.starts_with("In the parameters of the tool \"odd\": The schema's keyword \"not\""),
        "{refusal}"
    );
}

fn a_thought_ends_at_its_limit(backend: Backend) {
    let mut engine = engine(backend);
    // It must not end by itself.
    let bans: serde_json::Map<_, _> =
        engine.tokenizer.eog_ids().iter().map(|id| (id.to_string(), json!(-100))).collect();
    let kwargs = json!({ "thinking": true });
    for most in [0, 1, 7] {
        let more = json!({ "reasoning": { "max_tokens": most }, "max_completion_tokens": 40, "logit_bias": bans, "chat_template_kwargs": kwargs });
        let answer = answer(&mut engine, &request(more.clone()));
        let message = &answer["choices"][0]["message"];
        assert!(message["content"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        let thought = message["reasoning_content"].as_str().unwrap_or_default();
        // One token may be white space.
        assert!(most == 1 || thought.is_empty() == (most == 0), "{answer}");
        assert!(!thought.contains("</think>"));
        assert_eq!(answer["usage"]["completion_tokens"], 40);
        // Of the thought no more than it may have, and no tag.
        let told = |answer: &Value| answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64();
        let counted = told(&answer).expect("a number");
        assert!(counted <= most && (counted == 0) == thought.is_empty(), "{answer}");
        let mut streamed = request(more);
        (streamed["stream"], streamed["stream_options"]) = (true.into(), json!({ "include_usage": true }));
        assert_eq!(told(&last_chunk(&mut engine, &streamed)), Some(counted));
    }
    // What must come after a thought comes after it; and at once where the prompt opens none.
    let format = json!({ "type": "json_schema", "json_schema": { "schema": schema() } });
    for kwargs in [json!({ "thinking": true }), json!({})] {
        let more = json!({ "reasoning": { "max_tokens": 5 }, "response_format": format, "logit_bias": bans, "chat_template_kwargs": kwargs });
        let answer = answer(&mut engine, &request(more));
        assert!(fits(answer["choices"][0]["message"]["content"].as_str().expect("text")), "{answer}");
    }
}

/// The end of a reply is chosen wherever it may be.
fn a_thought_ends_by_its_own_text_where_something_must_follow(backend: Backend) {
    let mut engine = engine(backend);
    let ends: serde_json::Map<_, _> =
        engine.tokenizer.eog_ids().iter().map(|id| (id.to_string(), json!(100))).collect();
    let thinking =
        json!({ "logit_bias": ends, "chat_template_kwargs": { "thinking": true }, "max_completion_tokens": 200 });
    let format = json!({ "type": "json_schema", "json_schema": { "schema": schema() } });
    for more in [
        json!({ "response_format": format }),
        json!({ "response_format": format, "logprobs": true, "reasoning": { "max_tokens": 7 } }),
        json!({ "tools": tools(), "tool_choice": "required", "parallel_tool_calls": false }),
    ] {
        let mut request = request(thinking.clone());
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = answer(&mut engine, &request);
        let choice = &answer["choices"][0];
        let said = &choice["message"];
        let text = said["content"].as_str().or(said["tool_calls"][0]["function"]["arguments"].as_str());
        assert!(text.is_some_and(fits), "{answer}");
        assert_eq!(said["reasoning_content"], Value::Null, "{answer}");
        assert!(choice["finish_reason"] != "length", "{answer}");
        if let Some(listed) = choice["logprobs"]["content"].as_array() {
            let text: String = listed.iter().filter_map(|at| at["token"].as_str()).collect();
            assert!(text.contains("</think>") && text.ends_with(said["content"].as_str().expect("text")), "{answer}");
        }
    }
    // What is free may end in a thought.
    let answer = answer(&mut engine, &request(thinking));
    assert_eq!(answer["usage"]["completion_tokens"], 1, "{answer}");
}

/// Of a request with these members: the first token that a reply may begin with is this text's, and so on.
fn plan(engine: &Engine, more: Value) -> Rc<Plan> {
    let request = typed(&request(more));
    let mut writing = Writing::of(engine, &request).expect("a writing");
    let tokens = writing.tokens(engine, &request.messages, None).expect("a prompt");
    writing.prompt = engine.tokenizer.decode(&tokens, true);
    let wanted = request.wanted().expect("what is wanted");
    Plan::new(wanted, &writing, &engine.tokenizer, Some(grammars(engine)))
        .expect("a plan")
        .expect("something is wanted")
}

/// A token that ends a thought ends nothing but that.
#[test]
fn what_stands_behind_a_thought_in_one_token_is_not_lost() {
    let mut engine = engine(Backend::Cpu);
    let tokens = |engine: &Engine, text: &str| {
        engine.tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true }).expect("tokens")
    };
    engine.templates.chat = Some(TEMPLATE.replace("think>", "t>"));
    // A token of the vocabulary that goes on behind a tag's end, if there is one.
    let bytes = |id: u32| engine.tokenizer.token_bytes(id).unwrap_or_default();
    let longer = (0..engine.tokenizer.n_vocab() as u32).find(|&id| bytes(id).len() > 1 && bytes(id).starts_with(b">"));
    let Some(longer) = longer else { return };
    let format = json!({ "type": "regex", "pattern": "[ab]" });
    let more = json!({ "response_format": format, "chat_template_kwargs": { "thinking": true } });
    let mut reply = plan(&engine, more).reply();
    reply.start().expect("a start");
    for token in tokens(&engine, "so</t") {
        assert_eq!(reply.instead(token), None);
        reply.commit(token).expect("a commit");
    }
    let instead = reply.instead(longer).expect("another token");
    let forced: Vec<u8> = instead.forced.iter().flat_map(|&id| bytes(id)).collect();
    assert_eq!(forced, b">");
}

/// Stop texts apply in calls too: a call that one ends is none.
#[test]
fn a_call_that_a_stop_text_ends_is_not_whole() {
    let mut engine = engine(Backend::Cpu);
    let more = json!({ "tools": tools(), "tool_choice": "required", "stop": ["\"b\""] });
    let choice = &answer(&mut engine, &request(more))["choices"][0];
    assert_eq!(choice["finish_reason"], "stop", "{choice}");
    assert_eq!(choice["message"]["content"], Value::Null);
}

/// A text of the caller's form is content, though it looks like something else.
#[test]
fn a_text_of_a_form_is_no_thought_and_no_call() {
    let mut engine = engine(Backend::Cpu);
    let mut content = |more: Value| {
        let answer = answer(&mut engine, &request(more));
        answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_string()
    };
    let thought = json!({ "response_format": { "type": "regex", "pattern": "\n <think>hi</think>\n" } });
    assert_eq!(content(thought), "\n <think>hi</think>\n");
    let call = json!({ "type": "object", "properties": { "name": { "const": "first" }, "arguments": { "const": {} } },
        "required": ["name", "arguments"], "additionalProperties": false });
    let format = json!({ "type": "json_schema", "json_schema": { "schema": call } });
    let call = json!({ "response_format": format, "tools": tools(), "logit_bias": {}, "seed": 1 });
    let said = content(call);
    assert!(said.is_empty() || said == "{\"name\": \"first\", \"arguments\": {}}", "{said}");
}

fn a_call_that_begins_is_held_to_its_grammar(backend: Backend) {
    let engine = engine(backend);
    let tokens = |text: &str| {
        engine.tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true }).expect("tokens")
    };
    let request = typed(&request(json!({ "tools": tools() })));
    let plan = || {
        let writing = Writing::of(&engine, &request).expect("a writing");
        let wanted = request.wanted().expect("what is wanted");
        Plan::new(wanted, &writing, &engine.tokenizer, Some(grammars(&engine)))
            .expect("a plan")
            .expect("there are tools")
    };
    let mut reply = plan().reply();
    assert_eq!(reply.start().expect("a start").next, Next::Free);
    for token in tokens("I look. <b>\n<tool_call") {
        assert_eq!(reply.commit(token).expect("a commit").next, Next::Free);
    }
    let began = reply.commit(tokens(">")[0]).expect("a commit");
    assert_eq!(began.next, Next::Masked);
    let mut said = String::new();
    let mut commit = began;
    // Of what is allowed the first token that the call goes on with.
    let whole = "\n{\"name\": \"second\", \"arguments\": {\"a\": \"two\", \"b\": true}}\n</tool_call>";
    while said.len() < whole.len() {
        let token = match commit.forced.first() {
            Some(&token) => token,
            None => {
                assert_eq!(commit.next, Next::Masked, "after {said:?}");
                let mask = reply.mask().expect("a mask");
                let allowed = |id: &u32| mask.get(*id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1);
                let fits = |id: &u32| {
                    let bytes = engine.tokenizer.token_bytes(*id).unwrap_or_default();
                    !bytes.is_empty() && whole.as_bytes()[said.len()..].starts_with(&bytes)
                };
                (0..engine.tokenizer.n_vocab() as u32)
                    .filter(fits)
                    .find(allowed)
                    .unwrap_or_else(|| panic!("after {said:?}"))
            }
        };
        said += &String::from_utf8(engine.tokenizer.token_bytes(token).expect("bytes")).expect("text");
        commit = reply.commit(token).expect("a commit");
    }
    assert_eq!(said, whole);
    // Then another call, or the end.
    let mask = reply.mask().expect("a mask");
    let eog = engine.tokenizer.eog_ids()[0];
    assert!(mask[eog as usize / 32] >> (eog % 32) & 1 == 1);
    let letter = tokens("x")[0];
    assert!(mask[letter as usize / 32] >> (letter % 32) & 1 == 0);
    // In a thought nothing is called.
    let mut thought = plan().reply();
    thought.start().expect("a start");
    let all: Vec<_> = tokens("<think>\n<tool_call>{")
        .into_iter()
        .map(|token| thought.commit(token).map(|commit| commit.next))
        .collect();
    assert!(all.iter().all(|next| *next == Ok(Next::Free)), "{all:?}");
}

on_both_backends!(
    a_reply_is_what_its_format_says,
    probabilities_have_a_place_for_each_token,
    a_call_that_is_asked_for_comes,
    a_thought_ends_at_its_limit,
    a_thought_ends_by_its_own_text_where_something_must_follow,
    a_call_that_begins_is_held_to_its_grammar,
);
