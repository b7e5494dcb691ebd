//! Adapters of a loaded model: bytes of a file go in, in order.

use wasm_bindgen::prelude::*;

use super::{Engine, Held, JsResult, thrown, to_js};

#[wasm_bindgen]
impl Engine {
    /// Begins to load one; `config`: the text of PEFT's `adapter_config.json`.
    pub fn adapter_begin(&self, id: &str, config: Option<String>) -> JsResult<()> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        held.engine().begin_adapter(id, config.as_deref()).map_err(thrown)
    }

    pub fn adapter_push(&self, chunk: &[u8]) -> JsResult<()> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        held.engine().push_adapter(chunk).map_err(thrown)
    }

    pub async fn adapter_finish(&self) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        let info = held.engine().finish_adapter().await.map_err(thrown)?;
        to_js(&info)
    }

    pub fn adapter_give_up(&self) -> JsResult<()> {
        Held::new(&self.0).map_err(thrown)?.engine().give_up_adapter();
        Ok(())
    }

    pub fn adapter_unload(&self, id: &str) -> JsResult<()> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        held.engine().unload_adapter(id).map_err(thrown)
    }

    pub fn adapters(&self) -> JsResult<JsValue> {
        let mut held = Held::new(&self.0).map_err(thrown)?;
        to_js(&held.engine().adapters())
    }
}
