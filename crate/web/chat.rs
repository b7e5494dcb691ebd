//! Requests in OpenAI's shapes, with arguments as JavaScript gives them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::grammar::{Apart, JsGrammars};
use super::{Engine, Generation, Held, JsResult, Shared, disposed, from_js, thrown, to_js};
use sotto::base::error::Result;
use sotto::chat::grammar::Grammars;
use sotto::chat::prime::prime;
use sotto::chat::request::{ChatRequest, CompletionRequest};
use sotto::chat::session::{Session, Stop};
use sotto::run::engine;
use sotto::wire::step::{ChatStep, Counted};

#[wasm_bindgen]
impl Engine {
    /// A request of `chat.completions.create`; what asks for grammars comes with them. `past`: what `sampled` of a request gave
    /// that goes on here, on an engine that is another.
    pub fn chat(&self, request: JsValue, grammars: Option<JsGrammars>, past: Vec<u32>) -> JsResult<Chat> {
        let mut request = from_js::<ChatRequest>("request", request)?;
        request.common.past = past_of(&past);
        let grammars = grammars.map(|grammars| -> Rc<dyn Grammars> { Rc::new(Apart(grammars)) });
        self.answer(|engine| Session::chat(engine, &request, grammars))
    }

    /// Whether the answer to a request of `chat.completions.create` may take grammars.
    pub fn takes_grammars(&self, request: JsValue) -> JsResult<bool> {
        from_js::<ChatRequest>("request", request).map(|request| request.may_take_grammars())
    }

    /// A request of `completions.create`.
    pub fn completion(&self, request: JsValue, past: Vec<u32>) -> JsResult<Chat> {
        let mut request = from_js::<CompletionRequest>("request", request)?;
        request.common.past = past_of(&past);
        self.answer(|engine| Session::completion(engine, &request))
    }

    /// Reads what conversations that begin with a request's messages begin with, and keeps it.
    pub fn prime(&self, request: JsValue) -> JsResult<Generation> {
        let request = from_js("request", request)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let generation = prime(held.engine(), &request).map_err(thrown)?;
        Ok(Generation::of(&self.0, generation))
    }

    /// What the messages of a chat's request take of the context.
    pub fn count(&self, request: JsValue) -> JsResult<JsValue> {
        let request = from_js("request", request)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        to_js(&Counted::of(held.engine(), &request).map_err(thrown)?)
    }
}

impl Engine {
    fn answer(&self, begin: impl FnOnce(&mut engine::Engine) -> Result<Session>) -> JsResult<Chat> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let session = begin(held.engine()).map_err(thrown)?;
        let stop = session.stop_handle().clone();
        Ok(Chat { engine: self.0.clone(), session: RefCell::new(Some(session)), stop })
    }
}

/// A request under way.
#[wasm_bindgen]
pub struct Chat {
    engine: Shared,
    session: RefCell<Option<Session>>,
    stop: Stop,
}

#[wasm_bindgen]
impl Chat {
    /// The next steps, a list; `undefined` after the end.
    pub async fn next(&self) -> JsResult<JsValue> {
        let Some(mut session) = self.session.take() else { return Err(thrown(disposed("request"))) };
        let events = match Held::new(&self.engine) {
            Ok(mut held) => session.next(held.engine()).await,
            Err(error) => Err(error),
        };
        *self.session.borrow_mut() = Some(session);
        match events.map_err(thrown)? {
            None => Ok(JsValue::UNDEFINED),
            Some(events) => to_js(&events.into_iter().map(ChatStep::from).collect::<Vec<_>>()),
        }
    }

    /// The tokens that were sampled since it was asked last, each behind its reply's index.
    pub fn sampled(&self) -> Vec<u32> {
        let mut session = self.session.borrow_mut();
        let sampled = session.as_mut().map(Session::take_sampled).unwrap_or_default();
        sampled.into_iter().flat_map(|(index, token)| [index as u32, token]).collect()
    }

    /// Ends the reply under way with what there is of it; on the CPU also in the middle of a step.
    pub fn cancel(&self) {
        self.stop.stop();
    }
}

/// Tokens, each behind its reply's index, of each reply.
pub(super) fn past_of(sampled: &[u32]) -> BTreeMap<usize, Vec<u32>> {
    let mut past = BTreeMap::<usize, Vec<u32>>::new();
    for pair in sampled.chunks_exact(2) {
        past.entry(pair[0] as usize).or_default().push(pair[1]);
    }
    past
}
