//! Replies that go on with what was sampled on an engine that is gone: each is the one that was under way, wherever it was cut.

use std::collections::BTreeMap;

use pollster::block_on;
use serde_json::{Value, json};
use sotto::base::error::Code;
use sotto::chat::session::{Event, Session};
use sotto::device::Backend;
use sotto::run::engine::Engine;
use sotto::run::session::{GenerateOptions, Generation};

use crate::common::run::on_both_backends;
use crate::constrained_chat::{engine, grammars, request, schema, tools, typed};

/// What a request gave so far.
#[derive(Clone, Default)]
struct Told {
    /// What was sampled of each reply.
    sampled: BTreeMap<usize, Vec<u32>>,
    /// What was told of each, in its order; what is of none is under -1.
    events: BTreeMap<i64, Vec<Value>>,
}

impl Told {
    fn hear(&mut self, event: Event) {
        let mut told = match event {
            Event::Progress { .. } => return,
            Event::Chunk(chunk) => json!(chunk),
            Event::Completion(completion) => json!(completion),
            Event::Text(completion) => json!(completion),
        };
        // Each answer has a name of its own, and reads as much as it must.
        for key in ["id", "created"] {
            told.as_object_mut().expect("an object").remove(key);
        }
        if let Some(usage) = told["usage"].as_object_mut() {
            usage.retain(|key, _| !key.ends_with("_details"));
        }
        let reply = told["choices"][0]["index"].as_i64().unwrap_or(-1);
        self.events.entry(reply).or_default().push(told);
    }
}

/// All of an answer that goes on with a `past`, and what was told by the time of each step.
fn answer(engine: &mut Engine, request: &Value, past: &BTreeMap<usize, Vec<u32>>) -> Vec<Told> {
    let grammars = grammars(engine);
    let mut request = typed(request);
    request.common.past = past.clone();
    let mut session = Session::chat(engine, &request, Some(grammars)).expect("a session");
    let mut now = Told { sampled: past.clone(), ..Told::default() };
    let mut all = vec![now.clone()];
    while let Some(events) =
        block_on(session.next(engine)).unwrap_or_else(|error| panic!("{error}: behind {past:?} of {request:?}"))
    {
        events.into_iter().for_each(|event| now.hear(event));
        for (reply, token) in session.take_sampled() {
            now.sampled.entry(reply).or_default().push(token);
        }
        all.push(now.clone());
    }
    all
}

fn requests() -> Vec<Value> {
    let format = json!({ "type": "json_schema", "json_schema": { "name": "x", "strict": true, "schema": schema() } });
    let thinking = json!({ "thinking": true });
    vec![
        json!({ "temperature": 0 }),
        json!({ "temperature": 0, "stream": true, "stream_options": { "include_usage": true } }),
        json!({ "stream": true, "frequency_penalty": 0.7, "repeat_penalty": 1.2 }),
        json!({ "n": 3, "stream": true }),
        json!({ "n": 2 }),
        json!({ "stop": ["e", "a"], "stream": true }),
        json!({ "logprobs": true, "top_logprobs": 2 }),
        json!({ "response_format": format }),
        json!({ "response_format": format, "stream": true, "n": 2 }),
        json!({ "tools": tools(), "tool_choice": "required", "parallel_tool_calls": false, "stream": true }),
        json!({ "reasoning": { "max_tokens": 7 }, "chat_template_kwargs": thinking, "stream": true }),
        json!({ "reasoning": { "max_tokens": 4 }, "chat_template_kwargs": thinking, "response_format": format }),
    ]
}

fn a_reply_goes_on_where_it_was_cut(backend: Backend) {
    let (mut one, mut other) = (engine(backend), engine(backend));
    for more in requests() {
        let mut request = request(more);
        request["max_completion_tokens"] = 24.into();
        let whole = answer(&mut one, &request, &BTreeMap::new());
        let last = whole.last().expect("an end");
        assert!(last.sampled[&0].len() > 1, "{request}");
        for cut in whole.iter().step_by(5).chain(whole.iter().rev().take(3)) {
            let again = answer(&mut other, &request, &cut.sampled);
            let end = again.last().expect("an end");
            assert_eq!(end.events, last.events, "{request}, cut behind {:?}", cut.sampled);
            let logprobs = request["logprobs"] == true;
            assert!(logprobs || end.sampled == last.sampled, "{request}, cut behind {:?}", cut.sampled);
        }
    }
}

fn what_was_sampled_is_not_computed_again(backend: Backend) {
    let (mut one, mut other) = (engine(backend), engine(backend));
    let request = request(json!({ "temperature": 0, "max_completion_tokens": 60 }));
    let whole = answer(&mut one, &request, &BTreeMap::new());
    let sampled = &whole.last().expect("an end").sampled[&0];
    answer(&mut other, &request, &BTreeMap::from([(0, sampled[..sampled.len() - 1].to_vec())]));
    // The prompt with all that was there, and the one token behind it; those that are under way when a reply ends are lost.
    let passes = other.counts.passes;
    assert!(passes < 20, "{passes} passes");
}

fn a_token_of_another_model_is_refused(backend: Backend) {
    let mut engine = engine(backend);
    let options = GenerateOptions { past: vec![1, 1 << 20], ..GenerateOptions::default() };
    let refused = Generation::with_tokens(&mut engine, vec![1, 2], options).err().expect("a refusal");
    assert_eq!(refused.code, Code::BadOption);
    assert!(refused.message.contains("token 1048576"), "{refused}");
}

on_both_backends!(
    a_reply_goes_on_where_it_was_cut,
    what_was_sampled_is_not_computed_again,
    a_token_of_another_model_is_refused,
);
