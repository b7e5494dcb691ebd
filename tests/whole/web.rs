//! The checks as a page calls them (`tools/archs.mjs`).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sotto::base::precision::KvType;
use sotto::kernels::choose::AdapterName;
use sotto::run::loader;
use sotto::wire::options::LoadOptions;
use tiny_models::archs::Row;
use wasm_bindgen::prelude::*;

use crate::{archs, described, encoders};

/// What a page knows of where a model runs.
#[derive(Deserialize)]
struct Place {
    options: LoadOptions,
    adapter: Option<AdapterName>,
}

/// The models that there are, by their set: `archs`, `encoders`, or `described`.
#[wasm_bindgen]
pub fn names(set: &str) -> Vec<String> {
    let described = tiny_models::MODELS.iter().map(|spec| spec.name.to_string());
    rows(set).map_or_else(|| described.collect(), |rows| rows.iter().map(|row| row.name.into()).collect())
}

fn rows(set: &str) -> Option<&'static [Row]> {
    match set {
        "archs" => Some(tiny_models::archs::ROWS),
        "encoders" => Some(tiny_models::encoders::ROWS),
        _ => None,
    }
}

/// How far a model is from its golden, whose file is given: JSON of [`crate::Measure`]s. Throws a sentence.
#[wasm_bindgen]
pub async fn check(set: String, name: String, golden: String, place: String) -> Result<String, JsValue> {
    let Place { options, adapter } = read(&place)?;
    let mut options: loader::LoadOptions = options.into();
    options.gpu.adapter = adapter;
    let row = rows(&set).and_then(|rows| rows.iter().find(|row| row.name == name));
    let found = match (set.as_str(), row) {
        ("archs", Some(row)) => archs::check(row, &read(&golden)?, options).await,
        ("encoders", Some(row)) => {
            let goldens: std::collections::BTreeMap<String, Vec<encoders::Golden>> = read(&golden)?;
            encoders::check(row, &goldens[&name.replace('/', "-")], options).await
        }
        _ => {
            options.kv = KvType::F32;
            options.max_rows = Some(16);
            described::check(&name, &read(&golden)?, options).await
        }
    };
    let measures = found.map_err(|error| JsValue::from(error.message))?;
    serde_json::to_string(&measures).map_err(|error| error.to_string().into())
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, JsValue> {
    serde_json::from_str(text).map_err(|error| error.to_string().into())
}
