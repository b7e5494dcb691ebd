//! Requests in OpenAI's shapes, with arguments as JavaScript gives them.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::grammar::{Apart, JsGrammars};
use super::{Engine, Generation, Held, JsResult, Shared, disposed, from_js, thrown, to_js};
use sotto::base::error::Result;
use sotto::chat::grammar::Grammars;
use sotto::chat::prime::prime;
use sotto::chat::request::ChatRequest;
use sotto::chat::session::{Session, Stop};
use sotto::run::engine;
use sotto::wire::step::{ChatStep, Counted};

#[wasm_bindgen]
impl Engine {
    /// A request of `chat.completions.create`; what asks for grammars comes with them.
    pub fn chat(&self, request: JsValue, grammars: Option<JsGrammars>) -> JsResult<Chat> {
        let request = from_js("request", request)?;
        let grammars = grammars.map(|grammars| -> Rc<dyn Grammars> { Rc::new(Apart(grammars)) });
        self.answer(|engine| Session::chat(engine, &request, grammars))
    }

    /// Whether the answer to a request of `chat.completions.create` may take grammars.
    pub fn takes_grammars(&self, request: JsValue) -> JsResult<bool> {
        from_js::<ChatRequest>("request", request).map(|request| request.may_take_grammars())
    }

    /// A request of `completions.create`.
    pub fn completion(&self, request: JsValue) -> JsResult<Chat> {
        let request = from_js("request", request)?;
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

    /// Ends the reply under way with what there is of it; on the CPU also in the middle of a step.
    pub fn cancel(&self) {
        self.stop.stop();
    }
}
