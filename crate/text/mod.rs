//! Text to tokens and back: tokenizers, chat templates, where a text ends.

pub mod stop;
pub mod template;
pub mod tokenizer;
