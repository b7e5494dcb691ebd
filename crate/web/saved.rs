//! Conversations out of the cache and into it again, in pieces; who keeps the pieces is the worker's business.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{Engine, Held, JsResult, Shared, disposed, from_js, thrown};
use sotto::base::error::Result;
use sotto::chat::request::ChatRequest;
use sotto::chat::writing::Writing;
use sotto::run::engine;
use sotto::run::saved;

#[wasm_bindgen]
impl Engine {
    /// What the cache has of a request's messages; none where it has nothing.
    pub fn save(&self, request: JsValue) -> JsResult<Option<Saver>> {
        let request: ChatRequest = from_js("request", request)?;
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let engine = held.engine();
        let tokens = |engine: &engine::Engine| -> Result<Vec<u32>> {
            Writing::of(engine, &request)?.tokens(engine, &request.messages, None)
        };
        let saver = saved::Saver::new(engine, &tokens(engine).map_err(thrown)?);
        Ok(saver.map(|saver| Saver(self.0.clone(), RefCell::new(Some(saver)))))
    }

    /// For the pieces that such a one gave.
    pub fn restore(&self) -> Restorer {
        Restorer(self.0.clone(), RefCell::default())
    }
}

#[wasm_bindgen]
pub struct Saver(Shared, RefCell<Option<saved::Saver>>);

#[wasm_bindgen]
impl Saver {
    /// How many there are.
    pub fn tokens(&self) -> usize {
        self.1.borrow().as_ref().map_or(0, saved::Saver::tokens)
    }

    /// The next piece; `undefined` after the last.
    pub async fn next(&self) -> JsResult<Option<Vec<u8>>> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let Some(mut saver) = self.1.take() else { return Err(thrown(disposed("session"))) };
        let piece = saver.next(held.engine()).await;
        *self.1.borrow_mut() = Some(saver);
        piece.map_err(thrown)
    }
}

#[wasm_bindgen]
pub struct Restorer(Shared, RefCell<Option<saved::Restorer>>);

#[wasm_bindgen]
impl Restorer {
    /// After an error there is nothing left of it.
    pub async fn push(&self, bytes: &[u8]) -> JsResult<()> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let mut restorer = self.1.take().unwrap_or_default();
        let pushed = restorer.push(bytes, held.engine()).await;
        match pushed {
            Ok(()) => *self.1.borrow_mut() = Some(restorer),
            Err(_) => restorer.drop_from(held.engine()),
        }
        pushed.map_err(thrown)
    }

    /// How many tokens are there now.
    pub async fn finish(&self) -> JsResult<usize> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let mut restorer = self.1.take().unwrap_or_default();
        let finished = restorer.finish(held.engine()).await;
        if finished.is_err() {
            restorer.drop_from(held.engine());
        }
        finished.map_err(thrown)
    }
}

impl Drop for Restorer {
    /// What did not come whole is forgotten.
    fn drop(&mut self) {
        if let (Some(restorer), Ok(mut held)) = (self.1.take(), Held::new(&self.0)) {
            restorer.drop_from(held.engine());
        }
    }
}
