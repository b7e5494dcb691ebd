//! What a reply may be, token by token: JSON of a schema, any JSON object, a regular expression, a grammar. The crate
//! `llguidance` does the work; here stands what it is asked for, and what is refused because it would not be kept.
//!
//! The way of a request: [`Spec`] → a schema in [normal form](schema), or Lark ([`lark`], [`gbnf`]) → [`Vocabulary::compile`]
//! → [`Machine`], which gives masks.

mod derives;
mod digits;
mod expression;
mod gbnf;
mod gbnf_lark;
mod lark;
mod limits;
mod machine;
#[cfg(target_arch = "wasm32")]
mod memory;
mod schema;
mod spec;
mod text;
mod vocabulary;
mod watch;
#[cfg(target_arch = "wasm32")]
mod web;

pub use machine::{Machine, Step};
pub use schema::keywords::{KEYWORDS, Rule};
pub use spec::{Spec, Syntax};
pub use vocabulary::{Tokenize, Tokens, Vocabulary};

/// Why a specification is not taken, or cannot be kept any longer: one sentence, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// A result whose error is a sentence.
pub type Result<T, E = Refused> = std::result::Result<T, E>;

/// `refuse!("…{}", x)` returns a [`Refused`] from the enclosing function.
macro_rules! refuse {
    ($($arg:tt)+) => { return Err($crate::Refused(format!($($arg)+))) };
}
use refuse;
