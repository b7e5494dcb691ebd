//! Messages into the context: what they take, and what is left out where they take too much.

use serde_json::Value;

use super::request::Overflow;
use super::writing::Writing;
use crate::bail;
use crate::base::error::Result;
use crate::run::engine::Engine;

/// The tokens of a prompt, and which messages are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Of the messages that are in it.
    pub tokens: Vec<u32>,
    /// The places of those that are not.
    pub dropped: Vec<usize>,
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
    let tokens = writing.tokens(engine, messages)?;
    let context = engine.model.sizes.context;
    let fits = |tokens: &[u32]| tokens.len() + room(context, most) as usize <= context as usize;
    if overflow == Overflow::Error || fits(&tokens) {
        engine.check_length(&tokens)?;
        return Ok(Fitted { tokens, dropped: Vec::new() });
    }
    let turns = turns(messages);
    let without = |dropped: usize| -> Result<Fitted> {
        let dropped = turns[..dropped].concat();
        let kept = messages.as_array().into_iter().flatten().enumerate();
        let kept = kept.filter(|(index, _)| !dropped.contains(index)).map(|(_, message)| message.clone());
        Ok(Fitted { tokens: writing.tokens(engine, &kept.collect())?, dropped })
    };
    // The more turns go, the fewer tokens stay: the fewest that suffice are found by halving.
    let (mut low, mut high) = (1, turns.len().saturating_sub(1));
    while low < high {
        let middle = usize::midpoint(low, high);
        if fits(&without(middle)?.tokens) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let fitted = without(high)?;
    if fitted.tokens.len() > context as usize {
        bail!(
            PromptTooLong,
            "The last turn, with the system's messages and tools, has {} tokens but the context holds {context}; shorten it or load the model with a larger contextLength.",
            fitted.tokens.len()
        );
    }
    Ok(fitted)
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
    use serde_json::json;

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
