//! A chat as people write it: how a model calls tools and thinks aloud, and its reply taken apart while it streams.

pub mod forms;
pub mod parse;
mod probe;
pub mod reasoning;
mod units;
