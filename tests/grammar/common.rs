//! A vocabulary of single bytes, and whether a text fits a grammar.

use std::sync::OnceLock;

use sotto_grammar::{Refused, Spec, Syntax, Tokens, Vocabulary};

/// The token that ends a reply.
pub const END: u32 = 256;

/// A token for each byte, and one that ends a reply.
pub fn bytes() -> &'static Vocabulary {
    static BYTES: OnceLock<Vocabulary> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut tokens = Tokens { bytes: (0..=255).collect(), ends: (1..=256).collect(), ..Tokens::default() };
        tokens.bytes.extend(b"<end>");
        tokens.ends.push(tokens.bytes.len() as u32);
        (tokens.special, tokens.eog) = (vec![END], vec![END]);
        Vocabulary::new(&tokens, Box::new(|text| text.bytes().map(u32::from).collect())).expect("a vocabulary")
    })
}

/// A schema, strictly.
pub fn schema(schema: &serde_json::Value) -> Spec {
    Spec::JsonSchema { schema: schema.clone(), lenient: false }
}

/// A grammar of llama.cpp.
pub fn gbnf(grammar: &str) -> Spec {
    Spec::Grammar { grammar: grammar.into(), syntax: Syntax::Gbnf }
}

/// Whether the text is one that the grammar allows as a whole; walked by masks, as a reply is.
pub fn allows(spec: &Spec, text: &str) -> Result<bool, Refused> {
    let mut machine = bytes().compile(spec)?;
    let mut step = machine.start()?;
    for token in text.bytes().map(u32::from) {
        if step.ended {
            return Ok(false);
        }
        if let Some(forced) = step.forced.first() {
            if *forced != token {
                return Ok(false);
            }
        } else {
            let mask = machine.mask()?;
            if mask[token as usize / 32] >> (token % 32) & 1 == 0 {
                return Ok(false);
            }
        }
        let next = machine.commit(token)?;
        // While forced tokens are told, no others are announced.
        step = if step.forced.len() > 1 {
            sotto_grammar::Step { forced: step.forced[1..].to_vec(), ended: false }
        } else {
            next
        };
    }
    Ok(step.ended || (step.forced.is_empty() && machine.mask()?[END as usize / 32] & 1 == 1))
}
