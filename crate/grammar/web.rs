//! The module as the worker sees it (types in `www/worker/grammar.ts`). Every failure is thrown as `{ name: "SottoError",
//! code, message }`.

use js_sys::{Function, Object, Reflect, Uint32Array};
use wasm_bindgen::prelude::*;

use crate::{Machine, Refused, Spec, Step, Tokens};

type JsResult<T> = crate::Result<T, JsValue>;

fn thrown(Refused(message): Refused) -> JsValue {
    let error = Object::new();
    for (name, value) in [("name", "SottoError"), ("code", "bad_option"), ("message", &message)] {
        Reflect::set(&error, &name.into(), &value.into()).ok();
    }
    error.into()
}

/// A model's tokens, made ready for grammars.
#[wasm_bindgen]
pub struct Vocabulary(crate::Vocabulary);

#[wasm_bindgen]
impl Vocabulary {
    /// `ends`: where each token's bytes end; `special`, `eog`: ids; `tokenize` gives the ids of a text.
    #[wasm_bindgen(constructor)]
    pub fn new(
        bytes: Vec<u8>,
        ends: Vec<u32>,
        special: Vec<u32>,
        eog: Vec<u32>,
        tokenize: Function,
    ) -> JsResult<Vocabulary> {
        // A text without ids is written as the longest tokens that fit.
        let tokenize = move |text: &str| {
            let ids = tokenize.call1(&JsValue::UNDEFINED, &text.into());
            ids.map(|ids| Uint32Array::new(&ids).to_vec()).unwrap_or_default()
        };
        let tokens = Tokens { bytes, ends, special, eog };
        crate::Vocabulary::new(&tokens, Box::new(tokenize)).map(Vocabulary).map_err(thrown)
    }

    /// A constraint for one reply; `spec` is JSON.
    pub fn compile(&self, spec: &str) -> JsResult<Constraint> {
        let spec = Spec::parse(spec).map_err(thrown)?;
        self.0.compile(&spec).map(Constraint).map_err(thrown)
    }

    /// Whether a text is JSON that fits a schema.
    pub fn fits(schema: &str, text: &str) -> bool {
        crate::Vocabulary::fits(schema, text)
    }
}

/// One reply under a grammar.
#[wasm_bindgen]
pub struct Constraint(Machine);

#[wasm_bindgen]
impl Constraint {
    /// Before the first token: 1 if the reply is whole, else 0; then the tokens that are forced.
    pub fn start(&mut self) -> JsResult<Vec<u32>> {
        self.0.start().map(flat).map_err(thrown)
    }

    /// After a token; returns what `start` does.
    pub fn commit(&mut self, token: u32) -> JsResult<Vec<u32>> {
        self.0.commit(token).map(flat).map_err(thrown)
    }

    /// The tokens that may come next, a bit each.
    pub fn mask(&mut self) -> JsResult<Vec<u32>> {
        self.0.mask().map_err(thrown)
    }
}

fn flat(step: Step) -> Vec<u32> {
    let mut out = vec![u32::from(step.ended)];
    out.extend(step.forced);
    out
}
