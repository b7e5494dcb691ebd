//! Chat and completion requests in OpenAI's shapes: what a request may say, what of it reaches the engine, and what its
//! reply's pieces become. Pages and commands pass the same request and get the same answer.
//!
//! The way of a request: [`request`] says what it may hold; [`read`] makes of it a prompt, and options of the sampler and
//! the template; [`fit`] brings the messages into the context; [`session`] runs its choices one after the other;
//! [`parse`] tells content, reasoning and calls apart in what they write, by the model's [`forms`] and [`reasoning`];
//! `turn` and `text` make answers of it, in the shapes of [`reply`]; [`errors`] says what failures are called. [`prime`] reads
//! what many of them begin with.

pub mod constrain;
pub mod errors;
pub mod fit;
pub mod forms;
pub mod grammar;
mod known;
// Of programs that have all in them; a page loads the module of grammars apart.
#[cfg(not(target_arch = "wasm32"))]
pub mod linked;
pub mod parse;
pub mod prime;
mod probe;
pub mod read;
pub mod reasoning;
pub mod reply;
pub mod request;
pub mod session;
mod text;
mod turn;
mod units;
pub mod words;
pub mod writing;
