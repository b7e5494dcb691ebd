//! Grammars: the engine hands its tokens over (`Words`), and reaches the module that has the grammars through JavaScript
//! (`www/worker/grammar.ts`).

use std::sync::Arc;

use js_sys::Reflect;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use super::{Engine, Held, JsResult, thrown};
use sotto::base::error::{Code, Error, Result};
use sotto::chat::grammar::{Grammars, Spec};
use sotto::chat::words;
use sotto::run::constraint::{Commit, Constraint, Next};
use sotto::text::tokenizer::Tokenizer;

/// A model's tokens, for the module of grammars. It outlives the model.
#[wasm_bindgen]
pub struct Words {
    tokenizer: Arc<Tokenizer>,
    words: words::Words,
}

#[wasm_bindgen]
impl Engine {
    /// Its tokens.
    pub fn words(&self) -> JsResult<Words> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let tokenizer = held.engine().tokenizer.clone();
        Ok(Words { words: words::Words::of(&tokenizer), tokenizer })
    }
}

#[wasm_bindgen]
impl Words {
    pub fn bytes(&self) -> Vec<u8> {
        self.words.bytes.clone()
    }

    pub fn ends(&self) -> Vec<u32> {
        self.words.ends.clone()
    }

    pub fn special(&self) -> Vec<u32> {
        self.words.special.clone()
    }

    pub fn eog(&self) -> Vec<u32> {
        self.words.eog.clone()
    }

    /// The ids of a text that goes on after others. It is called while the engine is at work, so it asks nothing of it.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode_more(text).unwrap_or_default()
    }
}

#[wasm_bindgen]
extern "C" {
    /// `Grammars` of `www/worker/grammar.ts`.
    pub type JsGrammars;

    #[wasm_bindgen(method, catch)]
    fn compile(this: &JsGrammars, spec: &str) -> JsResult<JsConstraint>;

    #[wasm_bindgen(method, catch)]
    fn fits(this: &JsGrammars, schema: &str, text: &str) -> JsResult<bool>;

    /// Its constraint of one reply.
    type JsConstraint;

    #[wasm_bindgen(method, catch)]
    fn start(this: &JsConstraint) -> JsResult<Vec<u32>>;

    #[wasm_bindgen(method, catch)]
    fn commit(this: &JsConstraint, token: u32) -> JsResult<Vec<u32>>;

    #[wasm_bindgen(method, catch)]
    fn mask(this: &JsConstraint) -> JsResult<Vec<u32>>;

    #[wasm_bindgen(method)]
    fn free(this: &JsConstraint);
}

/// The page's grammars as the engine knows them.
pub struct Apart(pub JsGrammars);

impl Grammars for Apart {
    fn compile(&self, spec: &Spec) -> Result<Box<dyn Constraint>> {
        let json = serde_json::to_string(spec)
            .map_err(|e| Error::new(Code::BadOption, format!("The grammar cannot be passed on ({e}).")))?;
        Ok(Box::new(Reply(self.0.compile(&json).map_err(typed)?)))
    }

    fn fits(&self, schema: &Value, text: &str) -> bool {
        self.0.fits(&schema.to_string(), text).unwrap_or(false)
    }
}

struct Reply(JsConstraint);

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.free();
    }
}

impl Constraint for Reply {
    fn start(&mut self) -> Result<Commit> {
        self.0.start().map_err(typed).map(commit)
    }

    fn commit(&mut self, token: u32) -> Result<Commit> {
        self.0.commit(token).map_err(typed).map(commit)
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        self.0.mask().map_err(typed)
    }
}

/// The first number says whether the reply is whole, the others are forced tokens.
fn commit(flat: Vec<u32>) -> Commit {
    let ended = flat.first() == Some(&1);
    Commit { forced: flat.into_iter().skip(1).collect(), next: if ended { Next::End } else { Next::Masked } }
}

/// What the module has thrown.
fn typed(error: JsValue) -> Error {
    let text = |name: &str| Reflect::get(&error, &name.into()).ok().and_then(|value| value.as_string());
    let code = match text("code").as_deref() {
        Some("bad_option") => Code::BadOption,
        _ => Code::Internal,
    };
    Error::new(code, text("message").unwrap_or_else(|| "The module of grammars failed.".into()))
}
