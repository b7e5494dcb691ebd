//! Schemas, expressions and grammars; of those that are taken the first tokens are chosen.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sotto::chat::grammar::{Grammars, Spec, Syntax};
use sotto::chat::linked::Linked;
use sotto::text::tokenizer::Tokenizer;

static GRAMMARS: LazyLock<Linked> = LazyLock::new(|| {
    let json = include_bytes!("../../tests/golden/tokenizer_json/smollm.json");
    Linked::new(&Arc::new(Tokenizer::from_json(json, None).expect("a tokenizer"))).expect("a vocabulary")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let spec = match kind % 4 {
        0 => match serde_json::from_str(text) {
            Ok(schema) => Spec::JsonSchema { schema, lenient: kind & 4 != 0 },
            Err(_) => return,
        },
        1 => Spec::Regex { pattern: text.into() },
        2 => Spec::Grammar { grammar: text.into(), syntax: Syntax::Lark },
        _ => Spec::Grammar { grammar: text.into(), syntax: Syntax::Gbnf },
    };
    let Ok(mut constraint) = GRAMMARS.compile(&spec) else { return };
    if constraint.start().is_err() {
        return;
    }
    for turn in 0..4 {
        let Ok(mask) = constraint.mask() else { return };
        let allowed = |id: &u32| mask.get(*id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1);
        let Some(id) = (0..mask.len() as u32 * 32).filter(allowed).nth(turn) else { return };
        if constraint.commit(id).is_err() {
            return;
        }
    }
});
