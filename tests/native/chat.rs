//! Requests in OpenAI's shapes on tiny models, on each backend: what they get, and what is refused.

use crate::common::run::{log_sum_exp, on_both_backends, prefill};
use crate::generation::{deep_engine, engine};
use pollster::block_on;
use serde_json::{Value, json};
use sotto::base::error::{Code, Error};
use sotto::chat::constrain::Calling;
use sotto::chat::errors;
use sotto::chat::session::{Event, Session};
use sotto::device::Backend;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::sampler::SamplingParams;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::wire::step::Counted;

fn session(engine: &mut Engine, request: &Value) -> Result<Session, Error> {
    match request.get("prompt") {
        Some(_) => Session::completion(engine, &serde_json::from_value(request.clone()).expect("a request")),
        None => Session::chat(engine, &serde_json::from_value(request.clone()).expect("a request"), None),
    }
}

/// What its steps gave, as JSON.
pub fn all_of(engine: &mut Engine, request: &Value) -> Vec<Value> {
    let mut session = session(engine, request).expect("a session");
    let mut all = Vec::new();
    while let Some(events) = block_on(session.next(engine)).expect("a step") {
        all.extend(events.into_iter().filter_map(|event| match event {
            Event::Progress { .. } => None,
            Event::Chunk(chunk) => Some(json!(chunk)),
            Event::Completion(completion) => Some(json!(completion)),
            Event::Text(completion) => Some(json!(completion)),
        }));
    }
    assert!(block_on(session.next(engine)).expect("no step").is_none());
    all
}

pub fn answer(engine: &mut Engine, request: &Value) -> Value {
    let mut all = all_of(engine, request);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn refusal(engine: &mut Engine, request: &Value) -> Error {
    session(engine, request).err().expect("a refusal")
}

pub fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

/// A greedy request of a few tokens, with more members.
fn greedy(more: Value) -> Value {
    let mut request = json!({ "messages": [user("the cat")], "max_completion_tokens": 6, "temperature": 0 });
    let members = request.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    request
}

fn an_answer_is_what_a_generation_gives(backend: Backend) {
    let mut engine = engine(backend, 128);
    let prompt = Prompt::Messages(json!([user("the cat")]));
    let options = GenerateOptions { max_tokens: Some(6), ..Default::default() };
    let mut generation = Generation::new(&mut engine, &prompt, options).expect("a generation");
    while block_on(generation.next(&mut engine)).expect("a step").is_some() {}
    let answer = answer(&mut engine, &greedy(json!({ "model": "any", "user": "me" })));
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"], json!({ "role": "assistant", "content": generation.text, "refusal": null }));
    assert_eq!((&choice["logprobs"], &choice["index"]), (&Value::Null, &json!(0)));
    let (before, after) = (generation.prompt.len(), generation.tokens.len());
    let usage = &answer["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(before), &json!(after)));
    assert_eq!(usage["total_tokens"], before + after);
    // The prompt was computed before.
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], before - 1);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 0);
}

fn chunks_make_up_the_whole(backend: Backend) {
    let mut engine = engine(backend, 128);
    let whole = answer(&mut engine, &greedy(json!({})));
    let more = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let chunks = all_of(&mut engine, &greedy(more));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), whole["choices"][0]["message"]["content"]);
    let [.., last, usage] = chunks.as_slice() else { panic!("too few chunks") };
    assert_eq!(last["choices"][0]["delta"], json!({}));
    assert_eq!(last["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["total_tokens"], whole["usage"]["total_tokens"]);
    let without = all_of(&mut engine, &greedy(json!({ "stream": true })));
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none()));
}

fn several_replies_have_seeds_of_their_own(backend: Backend) {
    let mut engine = engine(backend, 128);
    let drawn = |n: u32, seed: i64| greedy(json!({ "temperature": 2, "n": n, "seed": seed }));
    let content = |answer: &Value, i: usize| answer["choices"][i]["message"]["content"].clone();
    let three = answer(&mut engine, &drawn(3, -2));
    for (i, seed) in (-2..=0).enumerate() {
        assert_eq!(three["choices"][i]["index"], i);
        assert_eq!(content(&three, i), content(&answer(&mut engine, &drawn(1, seed)), 0));
    }
    assert_ne!(content(&three, 0), content(&three, 1));
    let one = answer(&mut engine, &drawn(1, 0));
    assert_eq!(three["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"]);
    let streamed = all_of(&mut engine, &greedy(json!({ "n": 2, "stream": true })));
    let ends = streamed.iter().filter(|chunk| chunk["choices"][0]["finish_reason"].is_string());
    assert_eq!(ends.map(|chunk| &chunk["choices"][0]["index"]).collect::<Vec<_>>(), [0, 1]);
}

fn limits_are_told_apart(backend: Backend) {
    let mut engine = engine(backend, 40);
    let long = answer(&mut engine, &greedy(json!({ "max_completion_tokens": 2 })));
    assert_eq!(long["choices"][0]["finish_reason"], "length");
    assert_eq!(long["choices"][0]["finish_details"], json!({ "type": "max_tokens" }));
    // It must not end by itself.
    let bans: Value = engine
        .tokenizer
        .eog_ids()
        .iter()
        .map(|id| (id.to_string(), json!(-100)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let full = answer(&mut engine, &greedy(json!({ "max_completion_tokens": null, "logit_bias": bans })));
    assert_eq!(full["choices"][0]["finish_reason"], "length");
    assert_eq!(full["choices"][0]["finish_details"], json!({ "type": "context_full" }));
    // The last token needs no cell.
    assert_eq!(full["usage"]["total_tokens"], 41);
    let text = full["choices"][0]["message"]["content"].as_str().expect("text");
    let stop: String = text.chars().skip(1).take(2).collect();
    let stopped =
        answer(&mut engine, &greedy(json!({ "max_completion_tokens": null, "logit_bias": bans, "stop": stop })));
    assert_eq!(
        (&stopped["choices"][0]["finish_reason"], stopped["choices"][0].get("finish_details")),
        (&json!("stop"), None)
    );
}

fn a_stopped_reply_has_what_there_is_of_it(backend: Backend) {
    let mut engine = engine(backend, 128);
    let mut session = session(&mut engine, &greedy(json!({ "n": 3, "max_completion_tokens": 40 }))).expect("a session");
    let mut last = None;
    for step in 0.. {
        if step == 5 {
            session.stop_handle().stop();
        }
        match block_on(session.next(&mut engine)).expect("a step") {
            Some(events) => last = events.into_iter().last().or(last),
            None => break,
        }
    }
    let Some(Event::Completion(completion)) = last else { panic!("no answer: {last:?}") };
    let completion = json!(completion);
    let choices = completion["choices"].as_array().expect("choices");
    assert!(choices.len() == 3 && choices.iter().all(|choice| choice["finish_reason"] == "abort"), "{choices:?}");
    assert!(completion["usage"]["completion_tokens"].as_u64() < Some(40));
    // The model goes on.
    answer(&mut engine, &greedy(json!({})));
}

fn probabilities_are_those_of_the_logits(backend: Backend) {
    for name in ["llama-f32", "gemma3-softcap-f32"] {
        let mut engine = deep_engine(backend, name, 128, 3);
        let prompt = "the cat";
        let mut request = json!({ "prompt": prompt, "max_tokens": 5, "temperature": 0, "logprobs": 3 });
        let told = answer(&mut engine, &request);
        request["logprobs"] = Value::Null;
        let plain = answer(&mut engine, &request);
        assert_eq!(told["choices"][0]["text"], plain["choices"][0]["text"]);
        let logprobs = &told["choices"][0]["logprobs"];

        let mut tokens = engine.encode(&Prompt::Raw(prompt.into())).expect("tokens");
        let n_vocab = engine.model.net.n_vocab as usize;
        for place in 0..logprobs["tokens"].as_array().expect("a list").len() {
            let logits = prefill(&mut engine, &tokens, 16);
            let last = &logits[logits.len() - n_vocab..];
            let mut best: Vec<usize> = (0..n_vocab).collect();
            best.sort_by(|&a, &b| last[b].total_cmp(&last[a]));
            let want = f64::from(last[best[0]]) - log_sum_exp(last);
            let got = logprobs["token_logprobs"][place].as_f64().expect("a number");
            assert!((got - want).abs() < 1e-4, "{name}, token {place}: {got}, not {want}");
            let top = logprobs["top_logprobs"][place].as_object().expect("an object");
            let second = f64::from(last[best[1]]) - log_sum_exp(last);
            assert!(top.values().any(|p| (p.as_f64().expect("a number") - second).abs() < 1e-4), "{top:?}");
            tokens.push(best[0] as u32);
        }
        assert_eq!(logprobs["text_offset"][0], 0);
    }
    // A chat tells them too, with bytes, whole and in chunks.
    let mut engine = engine(backend, 128);
    let more = json!({ "logprobs": true, "top_logprobs": 2 });
    let whole = answer(&mut engine, &greedy(more.clone()));
    let content = whole["choices"][0]["logprobs"]["content"].as_array().expect("a list").clone();
    assert!(!content.is_empty() && content.iter().all(|at| at["top_logprobs"][0]["logprob"] == at["logprob"]));
    let bytes = content.iter().flat_map(|at| at["bytes"].as_array().expect("bytes"));
    let bytes: Vec<u8> = bytes.map(|byte| byte.as_u64().expect("a byte") as u8).collect();
    assert_eq!(String::from_utf8_lossy(&bytes), whole["choices"][0]["message"]["content"].as_str().expect("text"));
    let mut streamed = greedy(more);
    streamed["stream"] = true.into();
    let chunks = all_of(&mut engine, &streamed);
    let told = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array()).flatten();
    assert_eq!(told.count(), content.len());
}

fn a_full_conversation_is_refused_or_trimmed(backend: Backend) {
    let mut engine = engine(backend, 96);
    let mut messages = vec![json!({ "role": "system", "content": "the dog" })];
    for turn in 0..4 {
        messages.push(user(&format!("turn {turn} the cat and the dog and the cat")));
        messages.push(json!({ "role": "assistant", "content": "the cat" }));
    }
    messages.push(user("the end"));
    let request = |overflow: &str| greedy(json!({ "messages": messages, "overflow": overflow }));
    let error = refusal(&mut engine, &request("error"));
    assert_eq!(error.code, Code::PromptTooLong);
    let body = &errors::body(&error, &request("error"))["error"];
    assert_eq!((&body["code"], &body["param"]), (&json!("context_length_exceeded"), &json!("messages")));

    let trimmed = answer(&mut engine, &request("trim"));
    let dropped: Vec<usize> = serde_json::from_value(trimmed["dropped"].clone()).expect("places");
    assert!(!dropped.is_empty() && dropped.len().is_multiple_of(2), "{dropped:?}");
    assert_eq!(dropped, (1..=dropped.len()).collect::<Vec<_>>());
    // It is what the rest alone would be, and one turn more would be too much.
    let without = |dropped: usize| {
        let kept: Vec<&Value> =
            messages.iter().enumerate().filter(|(i, _)| !(1..=dropped).contains(i)).map(|(_, m)| m).collect();
        greedy(json!({ "messages": kept }))
    };
    let count = |engine: &Engine, request: &Value| {
        Counted::of(engine, &serde_json::from_value(request.clone()).expect("a request")).expect("a count")
    };
    let counted = count(&engine, &without(dropped.len()));
    assert_eq!(trimmed["usage"]["prompt_tokens"], counted.tokens);
    assert_eq!((counted.context_length, counted.room), (96, 6));
    assert!(counted.tokens + 6 <= 96 && count(&engine, &without(dropped.len() - 2)).tokens + 6 > 96);
    let kept = answer(&mut engine, &without(dropped.len()));
    assert_eq!(kept["choices"], trimmed["choices"]);
    assert_eq!(kept.get("dropped"), None);
    let mut streamed = request("trim");
    streamed["stream"] = true.into();
    let chunks = all_of(&mut engine, &streamed);
    assert_eq!(chunks[0]["dropped"], json!(dropped));
    assert!(chunks[1..].iter().all(|chunk| chunk.get("dropped").is_none()));

    let alone = greedy(json!({ "messages": [user(&"the cat ".repeat(90))], "overflow": "trim" }));
    assert_eq!(refusal(&mut engine, &alone).code, Code::PromptTooLong);
    answer(&mut engine, &greedy(json!({ "overflow": "trim" })));
    // Far more than is ever read: by its bytes alone it is too long.
    let far = "the cat ".repeat(300_000);
    for overflow in ["error", "trim", "shift"] {
        let error = refusal(&mut engine, &greedy(json!({ "messages": [user(&far)], "overflow": overflow })));
        assert_eq!(error.code, Code::PromptTooLong);
        assert!(error.message.contains("but the context holds 96"), "{error}");
    }
    let beside = json!([user(&far), { "role": "assistant", "content": far }, user("the end")]);
    for overflow in ["trim", "shift"] {
        let trimmed = answer(&mut engine, &greedy(json!({ "messages": beside, "overflow": overflow })));
        assert_eq!(trimmed["dropped"], json!([0, 1]));
    }
}

fn completions_go_on_with_texts_and_ids(backend: Backend) {
    let mut engine = engine(backend, 128);
    let request = |prompt: Value| json!({ "prompt": prompt, "max_tokens": 4, "temperature": 0 });
    let text = |answer: &Value, i: usize| answer["choices"][i]["text"].clone();
    let one = answer(&mut engine, &request("the cat".into()));
    assert_eq!(one["object"], "text_completion");
    let ids = engine.encode(&Prompt::Raw("the cat".into())).expect("tokens");
    assert_eq!(text(&answer(&mut engine, &request(json!(ids))), 0), text(&one, 0));
    let two = answer(&mut engine, &request(json!(["the dog", "the cat"])));
    assert_eq!((text(&two, 1), &two["choices"][1]["index"]), (text(&one, 0), &json!(1)));
    let mut echoed = request(json!([ids, ids]));
    echoed["echo"] = true.into();
    let whole = format!("the cat{}", text(&one, 0).as_str().expect("text"));
    assert_eq!(text(&answer(&mut engine, &echoed), 1), whole);
    echoed["stream"] = true.into();
    let pieces = all_of(&mut engine, &echoed);
    let second = pieces.iter().filter(|piece| piece["choices"][0]["index"] == 1);
    assert_eq!(second.filter_map(|piece| piece["choices"][0]["text"].as_str()).collect::<String>(), whole);
    // 16 tokens where nothing is said.
    let bans: serde_json::Map<_, _> =
        engine.tokenizer.eog_ids().iter().map(|id| (id.to_string(), json!(-100))).collect();
    let short = answer(&mut engine, &json!({ "prompt": "the cat", "logit_bias": bans }));
    assert_eq!(short["usage"]["completion_tokens"], 16);
    let both = json!({ "prompt": "the cat", "echo": true, "logprobs": 2 });
    assert!(refusal(&mut engine, &both).message.starts_with("logprobs are told of new tokens alone"));
    for prompt in [json!(null), json!([]), json!([1, "a"]), json!([1_000_000]), json!(5)] {
        assert_eq!(refusal(&mut engine, &request(prompt)).code, Code::BadOption);
    }
}

fn what_cannot_be_promised_is_refused(backend: Backend) {
    let mut engine = engine(backend, 128);
    let format = |format: Value| greedy(json!({ "response_format": format }));
    let tools = json!([{ "type": "function", "function": { "name": "now" } }]);
    let allowed = |mode: &str, name: &str| {
        let tools = json!([{ "type": "function", "function": { "name": name } }]);
        json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } })
    };
    let cases = [
        (format(json!({ "type": "json_object" })), "response_format asks for what only a grammar can keep"),
        (format(json!({ "type": "json_schema" })), "response_format.json_schema.schema should be"),
        (format(json!({ "type": "regex" })), "response_format.pattern should be a text"),
        (format(json!({})), "response_format.type is null"),
        (greedy(json!({ "tool_choice": "required" })), "tool_choice asks for a call, but there are no tools"),
        (greedy(json!({ "tool_choice": "required", "tools": tools })), "tool_choice asks for what only a grammar can"),
        (greedy(json!({ "tool_choice": { "type": "function" } })), "tool_choice is not understood"),
        (greedy(json!({ "tool_choice": allowed("auto", "now") })), "tool_choice allows \"now\", which is none"),
        (greedy(json!({ "tool_choice": allowed("never", "now"), "tools": tools })), "allowed_tools is not understood"),
        (greedy(json!({ "tools": [{ "type": "function", "function": { "name": "" } }] })), "function.name is empty"),
        (
            greedy(json!({ "tools": [tools[0], tools[0]] })),
            "tools[1].function.name is \"now\", as an earlier tool's is",
        ),
        (
            greedy(json!({ "tools": [{ "function": { "name": "f", "parameters": { "type": "array" } } }] })),
            "tools[0].function.parameters.type is \"array\"; give \"object\"",
        ),
        (greedy(json!({ "chat_template_kwargs": { "messages": [] } })), "chat_template_kwargs names messages or"),
        (greedy(json!({ "chat_template_kwargs": { "add_generation_prompt": false } })), "chat_template_kwargs names"),
        (greedy(json!({ "top_logprobs": 2 })), "top_logprobs is given without logprobs"),
        (greedy(json!({ "logit_bias": { "x": 1 } })), "logit_bias names \"x\""),
        (greedy(json!({ "logit_bias": { "065": 1 } })), "logit_bias names \"065\""),
        (greedy(json!({ "logit_bias": { "+65": 1 } })), "logit_bias names \"+65\""),
        (greedy(json!({ "logit_bias": { "99999999": 1 } })), "names token 99999999"),
        (greedy(json!({ "messages": [] })), "at least one {role, content}"),
        (json!({}), "at least one {role, content}"),
        (greedy(json!({ "messages": [{ "content": "x" }] })), "Message 0 has no role"),
    ];
    for (request, says) in cases {
        let error = refusal(&mut engine, &request);
        assert!(error.code == Code::BadOption && error.message.contains(says), "{error}");
    }
    answer(&mut engine, &format(json!({ "type": "text" })));
}

on_both_backends!(
    an_answer_is_what_a_generation_gives,
    chunks_make_up_the_whole,
    several_replies_have_seeds_of_their_own,
    limits_are_told_apart,
    a_stopped_reply_has_what_there_is_of_it,
    probabilities_are_those_of_the_logits,
    a_full_conversation_is_refused_or_trimmed,
    completions_go_on_with_texts_and_ids,
    what_cannot_be_promised_is_refused,
);

#[test]
fn what_is_not_said_is_as_chats_are() {
    let request = |request: Value| {
        let request: sotto::chat::request::ChatRequest = serde_json::from_value(request).expect("a request");
        request.options(&SamplingParams::chat()).expect("options").sampling
    };
    let said = json!({ "seed": 5, "top_k": 3, "presence_penalty": 0.5, "logit_bias": { "7": -100, "8": 2 } });
    let want = SamplingParams {
        top_k: 3,
        presence_penalty: 0.5,
        logit_bias: vec![(7, f32::NEG_INFINITY), (8, 2.0)],
        seed: 5,
        ..SamplingParams::chat()
    };
    assert_eq!(request(said), want);
    assert_eq!(request(json!({ "seed": -1 })).seed, u64::MAX);
}

#[test]
fn of_several_tools_some_may_be_allowed() {
    let named = |name: &str| json!({ "type": "function", "function": { "name": name } });
    let request = |mode: &str| -> sotto::chat::request::ChatRequest {
        let choice = json!({ "mode": mode, "tools": [named("b")] });
        let request = json!({ "tools": [named("a"), named("b")], "tool_choice": { "type": "allowed_tools", "allowed_tools": choice } });
        serde_json::from_value(request).expect("a request")
    };
    assert_eq!(request("auto").offered(), Some(json!([named("b")])));
    assert_eq!(request("auto").wanted().expect("a choice").calling, Calling::Auto);
    assert_eq!(request("required").wanted().expect("a choice").calling, Calling::Forced(None));
}

#[test]
fn a_template_sees_tools_and_effort() {
    let template = |request: Value| {
        let request: sotto::chat::request::ChatRequest = serde_json::from_value(request).expect("a request");
        request.template()
    };
    let tools = json!([{ "type": "function", "function": { "name": "now" } }]);
    let given =
        template(json!({ "tools": tools, "reasoning_effort": "low", "chat_template_kwargs": { "thinking": 5 } }));
    assert_eq!(given.tools, Some(tools.clone()));
    assert!(given.add_generation_prompt && given.now.is_some());
    let variables = json!({ "reasoning_effort": "low", "enable_thinking": true, "thinking": 5 });
    assert_eq!(Value::Object(given.extra), variables);
    let off = template(json!({ "tools": tools, "tool_choice": "none", "reasoning_effort": "none" }));
    assert_eq!((off.tools, &off.extra["enable_thinking"]), (None, &json!(false)));
    let plain = template(json!({ "tools": [] }));
    assert!(plain.tools.is_none() && plain.extra.is_empty());
}
