//! Grammars without a model: what is enforced, what is refused, and what hostile input does.

mod common;
mod ends;
mod gbnf;
mod hostile;
mod refusals;
mod suite;
