//! What pages and commands pass in and get back, stated once: options, the facts of a model, events, results.
//!
//! `sotto schema` prints all of it as JSON Schema, from which `npm run wire` writes TypeScript's types
//! (`www/wire/generated.ts`), what the page checks arguments by (`www/wire/schema.json`), `docs/ERRORS.md` and the README's
//! table of architectures. Natively [`check`] reads the same schema. Doc comments go into the types, so they are written
//! for users.

pub mod check;
pub mod embed;
pub mod header;
pub mod info;
pub mod inspect;
pub mod options;
pub mod schema;
pub mod stats;
pub mod step;

/// A number as it was written, where it is one that 32 bits hold: 0.8, not the f64 that is next to that f32.
fn shortest(number: f64) -> f64 {
    let narrow = number as f32;
    let written = (f64::from(narrow) == number).then(|| narrow.to_string().parse().ok());
    written.flatten().unwrap_or(number)
}
