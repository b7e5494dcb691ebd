//! A model's files, read again by the worker.

use js_sys::{Float64Array, Function, Promise, Reflect, Uint8Array};
use sotto::base::error::{Code, Error};
use sotto::run::rows::Reread;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// By a function of threes (which file, first byte, count) that promises bytes.
pub fn by(read: Function) -> Reread {
    Reread::new(move |spans| {
        let numbers: Vec<f64> = spans.iter().flat_map(|s| [s.file as f64, s.first as f64, s.count as f64]).collect();
        let promised = read.call1(&JsValue::NULL, &Float64Array::from(&numbers[..]));
        Box::pin(async move { bytes(promised).await.map_err(failed) })
    })
}

async fn bytes(promised: Result<JsValue, JsValue>) -> Result<Vec<u8>, JsValue> {
    let bytes = JsFuture::from(Promise::resolve(&promised?)).await?;
    Ok(Uint8Array::new(&bytes).to_vec())
}

fn failed(thrown: JsValue) -> Error {
    let message = Reflect::get(&thrown, &"message".into()).ok().and_then(|message| message.as_string());
    Error::new(Code::Io, message.unwrap_or_else(|| "The model's file cannot be read any more; load it again.".into()))
}
