//! Embeddings as JavaScript takes them: typed arrays.

use js_sys::{Array, Float32Array, Uint32Array};
use wasm_bindgen::JsValue;

use super::{JsResult, from_js};
use sotto::run::embed::Embedding;
use sotto::wire::embed::{EmbedOptions, Input};

pub fn read(texts: JsValue, options: JsValue) -> JsResult<(Vec<Input>, EmbedOptions)> {
    Ok((from_js("list of texts", texts)?, from_js("options object", options)?))
}

/// [numbers of a vector, tokens of each text, the vectors one behind the other]
pub fn packed(embeddings: &[Embedding]) -> Array {
    let dimensions = embeddings.first().map_or(0, |embedding| embedding.dimensions);
    let tokens: Vec<u32> = embeddings.iter().map(|embedding| embedding.tokens as u32).collect();
    let values = Float32Array::new_with_length(embeddings.iter().map(|embedding| embedding.values.len() as u32).sum());
    let mut at = 0;
    for Embedding { values: part, .. } in embeddings {
        values.subarray(at, at + part.len() as u32).copy_from(part);
        at += part.len() as u32;
    }
    Array::of3(&(dimensions as u32).into(), &Uint32Array::from(&tokens[..]), &values)
}
