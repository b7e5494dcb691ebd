//! Repositories of safetensors as the worker sees them (types in `www/worker/repository.ts`): their files' bytes go in, those of
//! a GGUF file come out; and GGUF files in other types, which [`Requantizer`] makes. Every failure is thrown as `{ name: "SottoError", code, message }`.

#![cfg(target_arch = "wasm32")]

use std::collections::HashMap;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

use sotto::base::error::{Code, Error};
use sotto::file::Converter;
use sotto::file::importance::read_importance;
use sotto::file::requantize::{self, written};
use sotto::quant::TensorType;
use sotto::run::repository::{FILES, Reading};

type JsResult<T> = Result<T, JsValue>;

fn thrown(Error { code, message }: Error) -> JsValue {
    let error = Object::new();
    for (name, value) in [("name", "SottoError"), ("code", code.as_str()), ("message", &message)] {
        Reflect::set(&error, &name.into(), &value.into()).ok();
    }
    error.into()
}

/// One repository, in the order of the calls.
#[wasm_bindgen]
pub struct Repository {
    name: String,
    quantize: Option<TensorType>,
    files: HashMap<String, Vec<u8>>,
    reading: Option<Reading>,
    converter: Option<Converter>,
}

#[wasm_bindgen]
impl Repository {
    /// Of the files beside the weights: their paths, each behind the bytes that it has at most.
    pub fn files() -> Array {
        FILES.iter().flat_map(|file| [JsValue::from(file.most as f64), file.path.into()]).collect()
    }

    /// `name`: what the model is called; `quantize`: what its matrices become.
    #[wasm_bindgen(constructor)]
    pub fn new(name: String, quantize: Option<String>) -> Repository {
        let quantize = quantize.as_deref().and_then(TensorType::written);
        Repository { name, quantize, files: HashMap::new(), reading: None, converter: None }
    }

    /// How much columns count: the bytes of a file that llama-imatrix wrote. Once all of the files are there.
    pub fn set_importance(&mut self, bytes: &[u8]) -> JsResult<()> {
        let importance = read_importance(bytes).map_err(thrown)?;
        self.reading.as_mut().ok_or_else(|| thrown(early()))?.set_importance(importance);
        Ok(())
    }

    /// A file that is there, of those beside the weights.
    pub fn add(&mut self, path: String, bytes: Vec<u8>) {
        self.files.insert(path, bytes);
    }

    /// Once all of these are there: the files of the weights.
    pub fn weights(&mut self) -> JsResult<Vec<String>> {
        let files = std::mem::take(&mut self.files);
        let reading = Reading::new(&self.name, files, self.quantize).map_err(thrown)?;
        let weights = reading.weights();
        self.reading = Some(reading);
        Ok(weights)
    }

    /// The first bytes of the next of these, in order; whether they were enough.
    pub fn push_head(&mut self, bytes: &[u8]) -> JsResult<bool> {
        self.reading.as_mut().ok_or_else(|| thrown(early()))?.push_head(bytes).map_err(thrown)
    }

    /// Once the heads of all are there: the first bytes of the GGUF file.
    pub fn start(&mut self) -> JsResult<Vec<u8>> {
        let reading = self.reading.take().ok_or_else(|| thrown(early()))?;
        let converter = self.converter.insert(reading.finish().map_err(thrown)?);
        Ok(converter.take_head())
    }

    /// Bytes of the GGUF file.
    pub fn total(&self) -> f64 {
        self.converter.as_ref().map_or(0.0, |converter| converter.catalog.file_bytes as f64)
    }

    /// What is wanted of the weights before the file that comes now: of each span which file, its first byte, how many.
    pub fn early(&mut self) -> JsResult<Vec<f64>> {
        let spans = self.converter.as_mut().ok_or_else(|| thrown(early()))?.early();
        Ok(spans.iter().flat_map(|span| [span.file as f64, span.first as f64, span.count as f64]).collect())
    }

    /// The next bytes of these.
    pub fn push_early(&mut self, bytes: &[u8]) -> JsResult<()> {
        self.converter.as_mut().ok_or_else(|| thrown(early()))?.push_early(bytes);
        Ok(())
    }

    /// All of these have come.
    pub fn end_early(&mut self) -> JsResult<()> {
        self.converter.as_mut().ok_or_else(|| thrown(early()))?.end_early().map_err(thrown)
    }

    /// What the next bytes of the weights become.
    pub fn push(&mut self, bytes: &[u8]) -> JsResult<Vec<u8>> {
        let mut out = Vec::new();
        self.converter.as_mut().ok_or_else(|| thrown(early()))?.push(bytes, &mut out);
        Ok(out)
    }

    /// The file has ended.
    pub fn next_file(&mut self) -> JsResult<()> {
        self.converter.as_mut().ok_or_else(|| thrown(early()))?.next_file().map_err(thrown)
    }
}

/// A GGUF file that becomes one in another type.
#[wasm_bindgen]
pub struct Requantizer(requantize::Requantizer);

#[wasm_bindgen]
impl Requantizer {
    /// Throws where matrices are not written in a type of this name.
    pub fn check(name: &str) -> JsResult<()> {
        written(name).map(drop).map_err(thrown)
    }

    /// `importance`: the bytes of a file that llama-imatrix wrote.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, importance: Option<Vec<u8>>) -> JsResult<Requantizer> {
        let read = || {
            let importance = importance.map(|bytes| read_importance(&bytes)).transpose()?;
            Ok(requantize::Requantizer::new(written(name)?, importance.unwrap_or_default()))
        };
        read().map(Requantizer).map_err(thrown)
    }

    /// What the next bytes of the file become.
    pub fn push(&mut self, bytes: &[u8]) -> JsResult<Vec<u8>> {
        let mut out = Vec::new();
        self.0.push(bytes, &mut out).map_err(thrown)?;
        Ok(out)
    }

    /// Bytes of the file that is made, once they are known.
    pub fn total(&self) -> Option<f64> {
        self.0.total().map(|bytes| bytes as f64)
    }

    /// The file has ended.
    pub fn finish(&mut self) -> JsResult<()> {
        self.0.finish().map_err(thrown)
    }
}

fn early() -> Error {
    Error::new(Code::Internal, "A repository was asked for bytes before its files were read")
}
