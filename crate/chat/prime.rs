//! What many conversations begin with, read before the first of them is asked.

use serde_json::{Value, json};

use super::request::ChatRequest;
use super::writing::Writing;
use crate::base::error::Result;
use crate::run::engine::Engine;
use crate::run::session::{GenerateOptions, Generation};

/// Two user's turns that have no token in common at their start.
const TURNS: [&str; 2] = ["a", "1"];

/// Reads what every prompt begins with in which a user's turn follows the request's messages, and keeps it in the cache as long
/// as there is room without it. The generation has no reply. Errors: those of the template and the context.
pub fn prime(engine: &mut Engine, request: &ChatRequest) -> Result<Generation> {
    let writing = Writing::of(engine, request)?;
    let context = engine.model.sizes.context as usize;
    let prompt = |turn: &str| {
        let mut messages = request.messages.as_array().cloned().unwrap_or_default();
        messages.push(json!({ "role": "user", "content": turn }));
        writing.tokens(engine, &Value::Array(messages), Some(context))
    };
    let [mut tokens, other] = [prompt(TURNS[0])?, prompt(TURNS[1])?];
    let shared = tokens.iter().zip(&other).take_while(|(a, b)| a == b).count();
    tokens.truncate(shared);
    let options = GenerateOptions {
        max_tokens: Some(0),
        primes: true,
        adapter: request.sampling.adapter.clone(),
        ..Default::default()
    };
    Generation::with_tokens(engine, tokens, options)
}
