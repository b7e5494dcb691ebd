//! Messages into the context: what they take, and what is left out where they take too much.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::request::Overflow;
use super::writing::Writing;
use crate::base::error::{Code, Error, Result};
use crate::run::engine::Engine;

/// Contexts of text by whose length it is told how much of it goes; of a longer one as little as can be.
const LONGEST: usize = 64;

/// The tokens of a prompt, and which messages are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Of the messages that are in it.
    pub tokens: Vec<u32>,
    /// The places of those that are not.
    pub dropped: Vec<usize>,
    /// Tokens that stay where the reply outgrows the context: the system's messages, and what the template puts around them.
    pub keeps: usize,
}

/// Tokens of the context that a reply should find free: as many as it may have, but never more than half; a quarter
/// where nobody said.
pub fn room(context: u32, most: Option<u32>) -> u32 {
    most.map_or(context / 4, |most| most.min(context / 2))
}

/// The prompt that the messages become. `most`: tokens that the reply may have.
///
/// Errors: those of the template; `PromptTooLong` where nothing may be dropped, or the last turn alone is too long.
pub fn fit(
    engine: &Engine,
    messages: &Value,
    writing: &Writing,
    overflow: Overflow,
    most: Option<u32>,
) -> Result<Fitted> {
    let context = engine.model.sizes.context;
    let tokens = |messages: &Value| writing.tokens(engine, messages, Some(context as usize));
    // A text of far more tokens was not even read.
    let fits = |tokens: &Result<Vec<u32>>| match tokens {
        Ok(tokens) => tokens.len() + room(context, most) as usize <= context as usize,
        Err(error) => error.code != Code::PromptTooLong,
    };
    let whole = tokens(messages);
    if overflow == Overflow::Error || fits(&whole) {
        let tokens = whole?;
        engine.check_length(&tokens)?;
        let keeps = keeps(&tokens, messages, overflow, writing, engine);
        return Ok(Fitted { tokens, dropped: Vec::new(), keeps });
    }
    let turns = turns(messages);
    let without = |dropped: usize| {
        let dropped: HashSet<usize> = turns[..dropped].iter().flatten().copied().collect();
        let kept = messages.as_array().into_iter().flatten().enumerate();
        let kept = kept.filter(|(index, _)| !dropped.contains(index)).map(|(_, message)| message.clone());
        tokens(&kept.collect())
    };
    // A shift is not made for each turn, but where a quarter of the context has been filled again. How much goes depends on
    // the whole text alone, so that the next request leaves out the same.
    let least = match overflow {
        Overflow::Shift => writing.tokens(engine, messages, Some(LONGEST * context as usize)).ok().map(|whole| {
            let over = (whole.len() + room(context, most) as usize).saturating_sub(context as usize);
            whole.len() - over.next_multiple_of((context as usize / 4).max(1)).min(whole.len())
        }),
        Overflow::Error | Overflow::Trim => None,
    };
    let suffices = |tokens: &Result<Vec<u32>>| match (tokens, least) {
        (Ok(tokens), Some(least)) => tokens.len() <= least,
        _ => fits(tokens),
    };
    // The more turns go, the fewer tokens stay: the fewest that suffice are found by halving.
    let (mut low, mut high) = (1, turns.len().saturating_sub(1));
    while low < high {
        let middle = usize::midpoint(low, high);
        if suffices(&without(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let long = |size: String| {
        let sentence = format!(
            "The last turn, with the system's messages and tools, has {size} tokens but the context holds {context}; shorten it or load the model with a larger contextLength."
        );
        Error::new(Code::PromptTooLong, sentence)
    };
    match without(high) {
        Ok(tokens) if tokens.len() > context as usize => Err(long(tokens.len().to_string())),
        Err(error) if error.code == Code::PromptTooLong => Err(long("far more".into())),
        tokens => {
            let tokens = tokens?;
            let keeps = keeps(&tokens, messages, overflow, writing, engine);
            Ok(Fitted { tokens, dropped: turns[..high].concat(), keeps })
        }
    }
}

/// What a prompt has in common with that of other words after the same system's messages.
fn keeps(prompt: &[u32], messages: &Value, overflow: Overflow, writing: &Writing, engine: &Engine) -> usize {
    if overflow != Overflow::Shift {
        return 0;
    }
    let is_system = |message: &&Value| matches!(message["role"].as_str(), Some("system" | "developer"));
    let first = messages.as_array().into_iter().flatten().take_while(is_system).cloned();
    let other = first.chain([json!({ "role": "user", "content": "-" })]).collect();
    // A template that refuses it keeps nothing but what every text does.
    let other = writing.tokens(engine, &other, None).unwrap_or_default();
    prompt.iter().zip(&other).take_while(|(a, b)| a == b).count()
}

/// Which messages belong together, the oldest first: what a user said, and all that followed. The system's are in none.
fn turns(messages: &Value) -> Vec<Vec<usize>> {
    let mut turns: Vec<Vec<usize>> = Vec::new();
    for (index, message) in messages.as_array().into_iter().flatten().enumerate() {
        match message["role"].as_str() {
            Some("system" | "developer") => {}
            Some("user") => turns.push(vec![index]),
            _ => match turns.last_mut() {
                Some(turn) => turn.push(index),
                None => turns.push(vec![index]),
            },
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_what_a_user_said_and_what_followed() {
        let messages: Value =
            ["system", "assistant", "user", "assistant", "tool", "assistant", "developer", "user", "user"]
                .iter()
                .map(|role| json!({ "role": role, "content": "x" }))
                .collect();
        assert_eq!(turns(&messages), [vec![1], vec![2, 3, 4, 5], vec![7], vec![8]]);
        assert!(turns(&json!([])).is_empty());
    }

    #[test]
    fn a_reply_finds_room() {
        assert_eq!([room(2048, None), room(2048, Some(100)), room(2048, Some(5000))], [512, 100, 1024]);
    }
}
