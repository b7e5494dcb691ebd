//! A model's file, read again by the worker.

use std::rc::Rc;

use js_sys::{Float64Array, Function, Promise, Reflect, Uint8Array};
use sotto::base::error::{Code, Error};
use sotto::run::rows::Reread;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// By a function of pairs (first byte, count) that promises bytes.
pub fn by(read: Function) -> Reread {
    Reread(Rc::new(move |ranges| {
        let numbers: Vec<f64> = ranges.iter().flat_map(|&(first, count)| [first as f64, count as f64]).collect();
        let promised = read.call1(&JsValue::NULL, &Float64Array::from(&numbers[..]));
        Box::pin(async move { bytes(promised).await.map_err(failed) })
    }))
}

async fn bytes(promised: Result<JsValue, JsValue>) -> Result<Vec<u8>, JsValue> {
    let bytes = JsFuture::from(Promise::resolve(&promised?)).await?;
    Ok(Uint8Array::new(&bytes).to_vec())
}

fn failed(thrown: JsValue) -> Error {
    let message = Reflect::get(&thrown, &"message".into()).ok().and_then(|message| message.as_string());
    Error::new(Code::Io, message.unwrap_or_else(|| "The model's file cannot be read any more; load it again.".into()))
}
